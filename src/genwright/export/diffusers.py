"""A folder of diffusers: a pipeline that draws images, its net and its scheduler."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genwright.errors import UnsupportedError
from genwright.families.diffusion import Diffusion
from genwright.families.flow import FlowMatching
from genwright.maths.schedules import BETA_FIRST, BETA_LAST, DDPM_STEPS, from_eps, from_v, from_x, linear_beta
from genwright.model.generator import Generator
from genwright.nets.portable import EPSILON, GROUPS, LAYERS, STEPS, PortableNet, frequencies
from genwright.storage import write_json, write_tensors

INDEX, NET, SCHEDULER = "model_index.json", "unet", "scheduler"
PREDICTIONS: Mapping[Callable[..., Any], str] = {from_v: "v_prediction", from_eps: "epsilon", from_x: "sample"}
HINT = "fit one: gw.fit(images, family=gw.Diffusion(net=gw.portable)), --family diffusion --net portable"


def write_diffusers(model: Generator, folder: Path) -> None:
    """model_index.json, unet/ and scheduler/, into a folder that is there.

    Diffusion opens as `DDIMPipeline`, flow matching as `DDPMPipeline` with a `FlowMatchEulerDiscreteScheduler`.
    """
    net, family = model.net, model.family
    check_portable(model)
    assert isinstance(net, PortableNet)
    scheduler: dict[str, Any]
    if isinstance(family, Diffusion):
        pipeline = "DDIMPipeline"
        # Its step i is our time (i + 1) / 1000.
        weights = shifted(net.state_dict(), sign=1.0, offset=-1.0)
        scheduler = {
            "_class_name": "DDIMScheduler",
            "num_train_timesteps": DDPM_STEPS,
            "beta_schedule": "linear",
            "beta_start": BETA_FIRST,
            "beta_end": BETA_LAST,
            "prediction_type": PREDICTIONS[family.prediction],
            "clip_sample": False,
            "set_alpha_to_one": True,
            "timestep_spacing": "trailing",
        }
    else:
        pipeline = "DDPMPipeline"  # whose loop is that of any scheduler
        # Its noise falls from 1000 to 0, ours rises from 0 to 1; its velocity leads to the noise, ours to the data.
        weights = shifted(net.state_dict(), sign=-1.0, offset=STEPS)
        weights |= {name: -weights[name] for name in ("conv_out.weight", "conv_out.bias")}
        scheduler = {
            "_class_name": "FlowMatchEulerDiscreteScheduler",
            "num_train_timesteps": int(STEPS),
            "shift": 1.0,
        }
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", scheduler["_class_name"]]}
    write_json(folder / INDEX, {"_class_name": pipeline, **parts})
    (folder / NET).mkdir()
    write_json(folder / NET / "config.json", config_of(net))
    write_tensors(folder / NET / "diffusion_pytorch_model.safetensors", weights, metadata={"format": "pt"})
    (folder / SCHEDULER).mkdir()
    write_json(folder / SCHEDULER / "scheduler_config.json", scheduler)


def check_portable(model: Generator) -> None:
    """Raise UnsupportedError for what diffusers has no net or no scheduler for."""
    family = model.family
    if not isinstance(model.net, PortableNet) or not isinstance(family, Diffusion | FlowMatching):
        what = f"diffusers has no net for this {family.name} model"
        raise UnsupportedError(what, where="diffusers", hint=HINT)
    if isinstance(family, Diffusion) and (family.schedule is not linear_beta or family.prediction not in PREDICTIONS):
        what = "diffusers is written for the linear-beta schedule alone"
        raise UnsupportedError(what, where="diffusers", hint="fit with gw.Diffusion(net=gw.portable)")


def config_of(net: PortableNet) -> dict[str, Any]:
    """The arguments of `UNet2DModel`."""
    last, height_width = len(net.widths) - 1, list(net.space.sides)
    return {
        "_class_name": "UNet2DModel",
        "sample_size": height_width[0] if height_width[0] == height_width[1] else height_width,
        "in_channels": net.space.channels,
        "out_channels": net.space.channels,
        "center_input_sample": False,
        "time_embedding_type": "positional",
        "freq_shift": 0,
        "flip_sin_to_cos": True,
        "block_out_channels": list(net.widths),
        "layers_per_block": LAYERS,
        "down_block_types": ["DownBlock2D"] * (last + 1),
        "up_block_types": ["UpBlock2D"] * (last + 1),
        "add_attention": False,
        "norm_num_groups": GROUPS,
        "norm_eps": EPSILON,
        "act_fn": "silu",
        "dropout": 0.0,
        "num_class_embeds": None if net.class_embedding is None else net.class_embedding.num_embeddings,
    }


def shifted(weights: dict[str, Tensor], *, sign: float, offset: float) -> dict[str, Tensor]:
    """The weights that do at the time s what these do at sign * (s - offset), both in thousandths.

    Waves of a shifted time are a rotation of those of the time, which goes into the first layer that reads them.
    """
    name = "time_embedding.linear_1.weight"
    old = weights[name].double()
    cosine, sine = old.chunk(2, dim=1)
    angle = frequencies(old.shape[1]).double().to(old.device) * offset
    # cos(a) = cos(sf) cos(of) + sin(sf) sin(of); sin(a) = sign * (sin(sf) cos(of) - cos(sf) sin(of))
    of_cosine = cosine * angle.cos() - sign * sine * angle.sin()
    of_sine = cosine * angle.sin() + sign * sine * angle.cos()
    return weights | {name: torch.cat([of_cosine, of_sine], dim=1).to(weights[name].dtype)}
