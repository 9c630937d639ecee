"""Flow and diffusion models elsewhere: one graph in onnxruntime, a pipeline in diffusers, the same numbers."""

import json

import numpy as np
import pytest
import torch

import genwright as gw
from genwright.errors import UnsupportedError
from genwright.maths.samplers import ddim, ddpm, dpmpp_2m, heun
from genwright.nets.portable import PortableNet
from genwright.spaces import Columns, Conditions, Discrete, Given, Reals

LABELS = [0, 3, -1, 9, 2]


def digits(n: int = 60) -> gw.Dataset:
    return gw.read("digits").take(slice(n))


def shaken(model: gw.Generator) -> gw.Generator:
    """The model with all weights moved, so that no branch of its net is 0."""
    rng = torch.Generator().manual_seed(1)
    for tensor in model.net.parameters():
        tensor.data.add_(0.1 * torch.randn(tensor.shape, generator=rng))
    return model


def fitted(family: gw.FlowMatching | gw.Diffusion, data: gw.Dataset) -> gw.Generator:
    return shaken(gw.fit(data, family=family, steps=1))


def carried(model: gw.Generator, noise: torch.Tensor, context: torch.Tensor | None, how: gw.Sampling) -> np.ndarray:
    """What torch makes of noise."""
    process = model.family.process(model.net, how)
    y = process._run(model.net, noise, Given(None, context))
    return process._records(model.net, y).numpy()


def noise_of(model: gw.Generator, n: int) -> torch.Tensor:
    return torch.randn(n, *model.codec.space.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("family", "how"),
    [
        (gw.FlowMatching(width=8, batch=8), gw.Sampling(steps=3)),
        pytest.param(gw.Diffusion(width=8, batch=8), gw.Sampling(steps=4, guidance=2.0), marks=pytest.mark.slow),
        pytest.param(
            gw.FlowMatching(batch=8, net=gw.portable), gw.Sampling(steps=2, sampler=ddim), marks=pytest.mark.slow
        ),
    ],
)
def test_a_graph_from_noise_and_labels_to_records_gives_what_torch_gives(family, how, tmp_path):
    import onnxruntime

    model = fitted(family, digits())
    gw.export_model(model, tmp_path / "out", to="onnx", how=how)
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    context = torch.tensor(LABELS, dtype=torch.float32)[:, None]
    for n in (1, 5):
        noise = noise_of(model, n)
        [found] = session.run(None, {"noise": noise.numpy(), "label": np.array(LABELS[:n])})
        expected = carried(model, noise, context.where(context >= 0, torch.nan)[:n], how)
        assert found.shape == expected.shape and np.abs(found - expected).max() <= 1e-4
        assert found.std() > 0.1
    told = {name: json.loads(value) for name, value in session.get_modelmeta().custom_metadata_map.items()}
    assert told["levels"]["label"][:2] and len(told["levels"]["label"]) == 10 and told["shape"] == [1, 8, 8]


def test_arrays_of_other_axes_and_without_labels_go_too(tmp_path):
    import onnxruntime

    model = fitted(gw.Diffusion(width=8, batch=8), digits().select(["image"]))
    gw.export_model(model, tmp_path / "out", to="onnx", how=gw.Sampling(steps=3, sampler=heun))
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    noise = noise_of(model, 2)
    [found] = session.run(None, {"noise": noise.numpy()})
    assert np.abs(found - carried(model, noise, None, gw.Sampling(steps=3, sampler=heun))).max() <= 1e-4
    with pytest.raises(UnsupportedError, match="ddpm is not linear"):
        gw.export_model(model, tmp_path / "no", to="onnx", how=gw.Sampling(sampler=ddpm))


@pytest.mark.parametrize("sides", [(28, 28), (8, 6), (5, 5)])
def test_the_portable_net_is_that_of_diffusers(sides, tmp_path):
    from diffusers import UNet2DModel

    from genwright.export.diffusers import config_of

    torch.manual_seed(0)
    own = PortableNet(Reals((3, *sides)), Conditions(Columns((Discrete("label", 4),)))).eval()
    for each in own.parameters():
        each.data += 0.1 * torch.randn_like(each)
    theirs = UNet2DModel(**{k: v for k, v in config_of(own).items() if k != "_class_name"}).eval()
    theirs.load_state_dict(own.state_dict())
    x, t = torch.randn(3, 3, *sides), torch.tensor([0.2, 0.5, 1.0])
    with torch.no_grad():
        found = theirs(x, t * 1000, class_labels=torch.tensor([0, 3, 4])).sample
        expected = own(x, t, torch.tensor([[0.0], [3.0], [torch.nan]]))
    assert (found - expected).abs().max() < 1e-4 and expected.std() > 0.1


@pytest.mark.parametrize(
    ("family", "times_of"),
    [
        (gw.Diffusion(batch=8, net=gw.portable), lambda s: [*((s.timesteps + 1) / 1000), 0.0]),
        (gw.FlowMatching(batch=8, net=gw.portable), lambda s: 1 - s.sigmas),
    ],
)
def test_a_model_opens_in_stock_diffusers_and_draws_the_same(family, times_of, tmp_path):
    from dataclasses import replace

    from diffusers import DiffusionPipeline

    model = fitted(family, digits().select(["image"]))
    model.save(tmp_path / "own")
    model = gw.load(tmp_path / "own")
    assert isinstance(model.net, PortableNet) and model.family.net is gw.portable
    gw.export_model(model, tmp_path / "theirs", to="diffusers")
    pipeline = DiffusionPipeline.from_pretrained(str(tmp_path / "theirs"), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    noise = noise_of(model, 3)
    made = pipeline(
        batch_size=3, num_inference_steps=4, output_type="np", generator=torch.Generator().manual_seed(0)
    ).images
    times = torch.tensor([float(each) for each in times_of(pipeline.scheduler)])
    process = replace(model.family.process(model.net, gw.Sampling()), sampler=ddim, times=times)
    expected = process._records(model.net, process._run(model.net, noise, Given()))
    assert np.abs(made[..., 0] - (expected.numpy()[:, 0] + 1) / 2).max() < 1e-4
    assert made.std() > 0.05


def tables() -> gw.Generator:
    return gw.fit(gw.read("wine"), family=gw.FlowMatching(width=8), steps=1)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda m, p: gw.export_model(m, p, to="diffusers"), "diffusers has no net for this flow model"),
        (lambda m, p: gw.export_model(m, p, to="gguf"), "cannot be exported"),
        (lambda m, p: gw.export_model(tables(), p, to="onnx"), "flow models of this kind have no loop of calls"),
    ],
)
def test_what_cannot_go_is_told(call, told, tmp_path):
    model = gw.fit(digits(), family=gw.FlowMatching(width=8, batch=8), steps=1)
    with pytest.raises(UnsupportedError) as raised:
        call(model, tmp_path / "x")
    assert told in str(raised.value)
    assert not (tmp_path / "x").exists()


def test_parts_are_given_to_nets_that_see_them_alone():
    model = gw.fit(digits(), family=gw.FlowMatching(batch=8, net=gw.portable), steps=1)
    image = np.full((8, 8, 1), np.nan)
    image[:4] = 3
    with pytest.raises(UnsupportedError, match="does not see which parts are given"):
        model.sample(1, given={"image": image})
    assert dpmpp_2m is not heun and len(model.sample(2, given={"label": 1}, how=gw.Sampling(steps=2))) == 2
