"""Reference values for networks, perceptual and signal metrics: `python benchmarks/parity/networks.py`.

Needs torch_fidelity, torchvision, transformers, clean-fid, lpips, torchmetrics, scikit-image and piq, but no weights:
both sides fill their tensors by `recipe`. Writes tests/metrics/reference/networks.json; the test imports the recipes
from here.
"""

import json
import tempfile
import zlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

OUT = Path(__file__).parents[2] / "tests" / "metrics" / "reference" / "networks.json"
KEPT = 16  # every 16th feature is frozen, to keep the file small
DINOV2 = {"width": 384, "depth": 12, "side": 37}  # ViT-S/14
PATHS = 200  # of the latent path length
LATENT = 8


def recipe(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Weights that depend on their name and shape alone, of sizes that keep activations of order one."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    x = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    if name.endswith("running_var"):
        return torch.exp(0.2 * x)
    if name.startswith("lin"):
        return 3 * x.abs()
    if name in ("pos_embed", "cls_token", "mask_token"):
        return 0.5 * x
    if len(shape) >= 2:
        return x * float(np.sqrt(2 / np.prod(shape[1:])))
    if name.endswith(("weight", "gamma")):
        return 1 + 0.1 * x
    return 0.1 * x


def recipe_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """`state` with every tensor replaced by its recipe; counters stay."""
    return {name: t if not t.is_floating_point() else recipe(name, tuple(t.shape)) for name, t in state.items()}


def images(data: str, *, height: int, width: int, n: int = 2, seed: int = 0) -> np.ndarray:
    """uint8 (n, height, width, 3): handwritten digits, three of them as the channels, enlarged; or noise."""
    rng = np.random.default_rng(seed)
    if data == "random":
        return rng.integers(0, 256, (n, height, width, 3), dtype=np.uint8)
    digits = load_digits().images[seed : seed + 3 * n].reshape(n, 3, 8, 8).transpose(0, 2, 3, 1) * (255 / 16)
    large = digits.repeat(-(-height // 8), 1).repeat(-(-width // 8), 2)[:, :height, :width]
    return large.astype(np.uint8)


def pair(data: str, *, side: int, n: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Originals, and the same with noise on them."""
    real = images(data, height=side, width=side, n=n, seed=1)
    noise = np.random.default_rng(2).normal(0, 30, real.shape)
    return real, np.clip(real + noise, 0, 255).astype(np.uint8)


def decoder(data: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """A small smooth generator of 8 x 8 images from latents of 8 numbers."""
    rng = np.random.default_rng(5)
    matrix = torch.tensor(rng.normal(size=(LATENT, 3 * 64)) / LATENT**0.5, dtype=torch.float32)

    def decode(z: torch.Tensor) -> torch.Tensor:
        x = (z @ matrix).view(-1, 3, 8, 8)
        return torch.tanh(x) if data == "tanh" else torch.sin(3 * x)

    return decode


def path_ends() -> tuple[torch.Tensor, torch.Tensor]:
    """Both ends of the paths, as torch_fidelity draws them with seed 2020."""
    rng = np.random.RandomState(2020)
    first, second = (torch.from_numpy(rng.randn(PATHS, LATENT)).float() for _ in range(2))
    return first, second


def squared_difference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """A distance that needs no weights."""
    return ((a - b) ** 2).mean((1, 2, 3))


SIZES = {"digits": (64, 64), "random": (48, 80)}


def rounded(values: Any) -> list[float]:
    """As many digits as float32 holds, for a small file."""
    return [float(f"{v:.9g}") for v in np.asarray(values, np.float64).ravel()]


def case(metric: str, data: str, reference: str, tolerance: float, kind: str, value: Any) -> dict[str, Any]:
    package = reference.split(" ")[0]
    named = f"{package} {version(package)}{reference.removeprefix(package)}"
    value = value if isinstance(value, float) else rounded(value)
    return {"metric": metric, "data": data, "reference": named, "tolerance": tolerance, "kind": kind, "value": value}


def inception_cases() -> list[dict[str, Any]]:
    from cleanfid.resize import build_resizer
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inception.pth"
        torch.save(recipe_state(inception_shapes()), path)
        names = ["2048", "logits_unbiased"]
        net = FeatureExtractorInceptionV3("inception", names, feature_extractor_weights_path=str(path))
    found = []
    for data, (height, width) in SIZES.items():
        x = images(data, height=height, width=width)
        tensor = torch.tensor(x).permute(0, 3, 1, 2)
        features, logits = net(tensor)
        found.append(case("Inception features", data, "torch_fidelity", 1e-5, "rel", features[:, ::KEPT]))
        found.append(case("Inception logits", data, "torch_fidelity", 1e-5, "rel", logits[:, ::KEPT]))
        resized = interpolate_bilinear_2d_like_tensorflow1x(tensor.float(), size=(299, 299), align_corners=False)
        found.append(case("resize tensorflow", data, "torch_fidelity", 1e-5, "rel", resized[:, :, ::23, ::19]))
        clean = np.stack([build_resizer("clean")(each) for each in x]).transpose(0, 3, 1, 2)
        found.append(case("resize pil-bicubic", data, "clean-fid", 1e-5, "rel", clean[:, :, ::23, ::19]))
    return found


def inception_shapes() -> dict[str, torch.Tensor]:
    """The state dict of the reference's network, empty."""
    from torch_fidelity import feature_extractor_inceptionv3 as module

    with torch.device("meta"):
        blocks: dict[str, torch.nn.Module] = {
            "Conv2d_1a_3x3": module.BasicConv2d(3, 32, kernel_size=3, stride=2),
            "Conv2d_2a_3x3": module.BasicConv2d(32, 32, kernel_size=3),
            "Conv2d_2b_3x3": module.BasicConv2d(32, 64, kernel_size=3, padding=1),
            "Conv2d_3b_1x1": module.BasicConv2d(64, 80, kernel_size=1),
            "Conv2d_4a_3x3": module.BasicConv2d(80, 192, kernel_size=3),
            "Mixed_5b": module.InceptionA(192, pool_features=32),
            "Mixed_5c": module.InceptionA(256, pool_features=64),
            "Mixed_5d": module.InceptionA(288, pool_features=64),
            "Mixed_6a": module.InceptionB(288),
            "Mixed_6b": module.InceptionC(768, channels_7x7=128),
            "Mixed_6c": module.InceptionC(768, channels_7x7=160),
            "Mixed_6d": module.InceptionC(768, channels_7x7=160),
            "Mixed_6e": module.InceptionC(768, channels_7x7=192),
            "Mixed_7a": module.InceptionD(768),
            "Mixed_7b": module.InceptionE_1(1280),
            "Mixed_7c": module.InceptionE_2(2048),
            "fc": torch.nn.Linear(2048, 1008),
        }
        whole = torch.nn.ModuleDict(blocks).state_dict()
    return {name: torch.zeros(t.shape, dtype=t.dtype) if not t.is_floating_point() else t for name, t in whole.items()}


def dinov2_cases() -> list[dict[str, Any]]:
    from cleanfid.resize import make_resizer
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(hidden_size=DINOV2["width"], num_hidden_layers=DINOV2["depth"], image_size=518, patch_size=14)
    config.num_attention_heads = DINOV2["width"] // 64
    net = Dinov2Model(config).eval()
    net.load_state_dict({name: dinov2_tensor(name, t) for name, t in net.state_dict().items()})
    found = []
    mean, spread = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for data, (height, width) in SIZES.items():
        resize = make_resizer("PIL", False, "bicubic", (224, 224))
        x = np.stack([(resize(each) / 255 - mean) / spread for each in images(data, height=height, width=width)])
        with torch.no_grad():
            features = net(torch.tensor(x).permute(0, 3, 1, 2).float()).last_hidden_state[:, 0]
        found.append(case("DINOv2 features", data, "transformers", 1e-4, "rel", features[:, :: KEPT // 4]))
    return found


def dinov2_tensor(name: str, like: torch.Tensor) -> torch.Tensor:
    """The tensor that the transformers package calls `name`, from the names of the published file."""
    for theirs, ours in (
        ("embeddings.cls_token", "cls_token"),
        ("embeddings.mask_token", "mask_token"),
        ("embeddings.position_embeddings", "pos_embed"),
        ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
        ("encoder.layer.", "blocks."),
        ("layer_scale1.lambda1", "ls1.gamma"),
        ("layer_scale2.lambda1", "ls2.gamma"),
        ("attention.o_proj", "attn.proj"),
        ("attention.attention.", "attention."),
        ("attention.output.dense", "attn.proj"),
        ("layernorm", "norm"),
    ):
        name = name.replace(theirs, ours)
    width = DINOV2["width"]
    for place, part in enumerate(("q_proj", "k_proj", "v_proj")):
        if f"attention.{part}." in name:
            name = name.replace(f"attention.{part}", "attn.qkv")
            whole = recipe(name, (3 * width, width) if name.endswith("weight") else (3 * width,))
            return whole[place * width : (place + 1) * width]
    return recipe(name, tuple(like.shape))


def backbone_cases() -> list[dict[str, Any]]:
    import torchvision
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    found = []
    for kind in ("alexnet", "vgg16"):
        net = getattr(torchvision.models, kind)().eval()
        net.load_state_dict(recipe_state(net.state_dict()))
        net.classifier = net.classifier[:-1] if kind == "alexnet" else net.classifier[:5]
        for data, (height, width) in SIZES.items():
            x = torch.tensor(images(data, height=height, width=width)).permute(0, 3, 1, 2).float()
            x = interpolate_bilinear_2d_like_tensorflow1x(x, size=(224, 224), align_corners=False) / 255
            x = torchvision.transforms.functional.normalize(x, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
            with torch.no_grad():
                features = torch.relu(net(x))
            found.append(case(f"{kind} features", data, "torchvision", 1e-5, "rel", features[:, :: 2 * KEPT]))
    return found


def lpips_cases() -> list[dict[str, Any]]:
    import lpips

    found = []
    for kind, short in (("alexnet", "alex"), ("vgg16", "vgg")):
        net = lpips.LPIPS(net=short, pnet_rand=True, pretrained=False, verbose=False)
        state = {}
        for name, tensor in net.state_dict().items():
            parts = name.split(".")
            published = f"features.{parts[2]}.{parts[3]}" if parts[0] == "net" else name.replace("lins.", "lin")
            is_weight = parts[0] in ("net", "lins") or parts[0].startswith("lin")
            state[name] = recipe(published, tuple(tensor.shape)) if is_weight else tensor
        net.load_state_dict(state)
        for data in SIZES:
            real, fake = (torch.tensor(v).permute(0, 3, 1, 2).float() / 127.5 - 1 for v in pair(data, side=64))
            with torch.no_grad():
                values = net(real, fake).flatten()
            found.append(case(f"LPIPS {kind}", data, "lpips", 1e-5, "abs", values))
    return found


def path_cases() -> list[dict[str, Any]]:
    import torch_fidelity
    from torch_fidelity.sample_similarity_base import SampleSimilarityBase

    class Squared(SampleSimilarityBase):
        def __init__(self, name: str, **_: Any) -> None:
            super().__init__(name)

        def forward(self, *pair: torch.Tensor) -> torch.Tensor:
            return squared_difference(*pair)

    class Decoder(torch.nn.Module):
        def __init__(self, data: str) -> None:
            super().__init__()
            self.decode = decoder(data)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.decode(z)

    torch_fidelity.register_sample_similarity("squared", Squared)
    np.percentile = _with_old_argument(np.percentile)  # torch_fidelity 0.4 calls it as NumPy 1 was called
    found = []
    for data in ("tanh", "sine"):
        for interpolation, theirs in (("lerp", "lerp"), ("slerp", "slerp_any")):
            model = torch_fidelity.GenerativeModelModuleWrapper(Decoder(data), LATENT, "normal", 0)
            result = torch_fidelity.calculate_metrics(
                input1=model, input1_model_num_samples=PATHS, ppl=True, ppl_sample_similarity="squared",
                ppl_z_interp_mode=theirs, ppl_epsilon=1e-4, cuda=False, verbose=False,
            )  # fmt: skip
            value = float(result["perceptual_path_length_mean"])
            found.append(case(f"path length {interpolation}", data, "torch_fidelity", 1e-2, "rel", value))
    return found


def _with_old_argument(percentile: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given, interpolation="linear", **named: percentile(*given, **{"method": interpolation, **named})


def signal_cases() -> list[dict[str, Any]]:
    import piq
    import torchmetrics.functional.image as tm
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    found = []
    for data in SIZES:
        real, fake = pair(data, side=64)
        x, y = (torch.tensor(v).permute(0, 3, 1, 2).double() for v in (real, fake))
        values = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(real, fake, strict=True)]
        found.append(case("PSNR per-image", data, "scikit-image", 1e-6, "abs", values))
        pooled = float(tm.peak_signal_noise_ratio(y, x, data_range=255.0))
        found.append(case("PSNR pooled", data, "torchmetrics", 1e-5, "abs", pooled))  # float32 inside
        values = [
            structural_similarity(
                a, b, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
            for a, b in zip(real.astype(float), fake.astype(float), strict=True)
        ]
        found.append(case("SSIM wang", data, "scikit-image", 1e-6, "abs", values))
        values = tm.structural_similarity_index_measure(y, x, data_range=255.0, reduction="none")
        found.append(case("SSIM torchmetrics", data, "torchmetrics", 1e-6, "abs", values))
        real, fake = pair(data, side=192, n=2)
        x, y = (torch.tensor(v).permute(0, 3, 1, 2).double() for v in (real, fake))
        values = piq.multi_scale_ssim(x, y, data_range=255, reduction="none")
        found.append(case("MS-SSIM wang", data, "piq", 1e-6, "abs", values))
        values = tm.multiscale_structural_similarity_index_measure(y, x, data_range=255.0, reduction="none")
        found.append(case("MS-SSIM torchmetrics", data, "torchmetrics", 1e-6, "abs", values))
    return found


def main() -> None:
    """Write the file."""
    torch.set_num_threads(1)
    cases = [
        *inception_cases(), *dinov2_cases(), *backbone_cases(), *lpips_cases(), *path_cases(), *signal_cases(),
    ]  # fmt: skip
    packages = sorted({each["reference"].split(" ")[0] for each in cases})
    about = {"package": {name: version(name) for name in packages}, "cases": cases}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(about, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
