"""Networks from users' weights: loading, preprocessing, what they accept and refuse."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.parity.networks import recipe_state
from safetensors.torch import save_file

from genwright.data.dataset import Dataset, Image, Number
from genwright.errors import ArgumentError, DataError
from genwright.extractors import networks
from genwright.extractors import published as weights
from genwright.extractors.backbones import Classifier, Stack
from genwright.extractors.inception import InceptionV3
from genwright.extractors.networks import batches, load_network
from genwright.extractors.published import KNOWN
from genwright.extractors.vision_transformer import VisionTransformer

SMALL = {"width": 64, "depth": 2, "side": 4}


def dataset(pixels, *, levels=256):
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[(pixels if len(pixels) == 0 else pixels[0]).shape[-1]]
    shape = None if pixels.dtype == object else pixels.shape[1:]
    return Dataset((Image("image", shape, mode, levels),), {"image": pixels})


def noise(n, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A vision transformer of two blocks in a file named and shaped like the published ones."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    with torch.device("meta"):
        state = VisionTransformer(**SMALL).state_dict()
    save_file(recipe_state(state) | {"mask_token": torch.zeros(1, 64)}, path)
    return path


@pytest.fixture(scope="module")
def net(small):
    return load_network(small, "dinov2")


def test_is_usable_where_an_extractor_is(net):
    x, y = net(dataset(noise(4, 20, 20, 3))), net(dataset(noise(4, 20, 20, 3, seed=1)))
    assert x.shape == y.shape == (4, 64) and x.dtype == np.float64 and not np.allclose(x, y)
    assert net.dimension == 64 and net.labels == ()
    assert net.signature.startswith("dinov2-64d, pil-bicubic to 224, sha256 ")
    assert net.signature.endswith("own weights, not comparable") and "|" not in net.signature


def test_chunks_do_not_matter(net, monkeypatch):
    data = dataset(noise(5, 30, 20, 3))
    whole = net(data)
    monkeypatch.setattr(networks, "CHUNK", 2)
    assert np.allclose(net(data), whole, rtol=0, atol=1e-5)


def test_grey_levels_and_sizes(net):
    grey = noise(2, 20, 20, 1) // 16
    bright = np.round(grey * (255 / 15)).astype(np.uint8)  # 16 levels, 17 apart
    assert np.allclose(net(dataset(grey, levels=16)), net(dataset(bright.repeat(3, 3))), atol=1e-5)
    mixed = np.empty(2, dtype=object)
    mixed[:] = [noise(1, 20, 30, 3)[0], noise(1, 40, 10, 3)[0]]
    each = np.concatenate([net(dataset(v[None])) for v in mixed])
    assert np.allclose(net(dataset(mixed)), each, atol=1e-5)


def test_refusals(net, small):
    with pytest.raises(DataError, match="4 channels"):
        net(dataset(noise(1, 20, 20, 4)))
    with pytest.raises(DataError, match="no images"):
        net(Dataset((Number("x"),), {"x": np.zeros(3)}))
    with pytest.raises(DataError, match="no images"):
        net(dataset(noise(0, 20, 20, 3)))
    with pytest.raises(ArgumentError, match="no logits"):
        net.classify(dataset(noise(1, 20, 20, 3)))
    with pytest.raises(DataError, match="missing"):
        load_network(small, "inception")
    with pytest.raises(DataError, match=r"vgg16-397923af\.pth"):
        load_network(small.parent / "absent.safetensors", "vgg16")


def test_only_published_weights_are_comparable(small, net, monkeypatch):
    monkeypatch.setattr(weights, "KNOWN", (replace(KNOWN[4], tensors=net.weights.sha256),))
    known = load_network(small, "dinov2", resize="tensorflow")
    assert known.comparable and not net.comparable
    assert known.signature.startswith("dinov2-64d, tensorflow to 224, sha256 ")
    assert known.signature.endswith("comparable with the literature") and "not comparable" not in known.signature


def test_tensorflow_resize_by_hand():
    """Output pixel i lies at input place i * 2 / 4, and beyond the last pixel nothing changes."""
    x = np.array([[0, 100]], dtype=np.uint8)[None, :, :, None]
    (resized,) = batches(dataset(x), side=4, resize="tensorflow")
    assert resized[0, 0].tolist() == [[0.0, 50.0, 100.0, 100.0]] * 4


def test_pillow_resize_averages_when_shrinking():
    checks = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[None, :, :, None]
    (clean,) = batches(dataset(checks), side=8, resize="pil-bicubic")
    (aliased,) = batches(dataset(checks), side=8, resize="tensorflow")
    assert (clean - 127.5).abs().max() < 8 and aliased.min() == aliased.max() == 0


def bicubic(values, side, scale):
    """One axis: Keys 1981 with a = -0.75 and clamped edges, output i at (i + 1/2) / scale - 1/2."""
    found = np.zeros(side)
    for i in range(side):
        place = (i + 0.5) / scale - 0.5
        for k in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            d = abs(place - k)
            near, far = 1.25 * d**3 - 2.25 * d**2 + 1, -0.75 * d**3 + 3.75 * d**2 - 6 * d + 3
            found[i] += (near if d <= 1 else far) * values[min(max(k, 0), len(values) - 1)]
    return found


@pytest.mark.parametrize("positions", ("hub", "exact"))
def test_positions_are_stretched_as_published(positions):
    net = VisionTransformer(width=64, depth=1, side=5, positions=positions)
    line = np.random.default_rng(0).normal(size=5)
    with torch.no_grad():
        net.pos_embed.copy_(torch.tensor(np.concatenate([[9.0], np.tile(line, 5)]))[None, :, None].expand(-1, -1, 64))
    found = net.stretched((3, 8))[0, :, 0].detach().numpy()
    expected = bicubic(line, 8, ((8 + 0.1) if positions == "hub" else 8) / 5)
    assert found[0] == 9 and np.allclose(found[1:].reshape(3, 8), expected, atol=1e-5)
    assert torch.equal(net.stretched((5, 5)), net.pos_embed)


@pytest.mark.parametrize(
    ("make", "beside", "published"),
    [  # numbers of the published files that this package leaves out, and those files' sizes in bytes
        (InceptionV3, 0, 95_628_359),
        (lambda: VisionTransformer(width=384, depth=12), 384, 88_283_115),
        (lambda: VisionTransformer(width=1024, depth=24), 1024, 1_217_586_395),
        (lambda: Classifier("alexnet"), 4_097_000, 244_408_911),
        (lambda: Classifier("vgg16"), 4_097_000, 553_433_881),
    ],
    ids=["inception", "dinov2-small", "dinov2-large", "alexnet", "vgg16"],
)
def test_as_many_numbers_as_the_published_files(make, beside, published):
    with torch.device("meta"):
        state = make().state_dict()
    size = 4 * (beside + sum(t.numel() for t in state.values() if t.is_floating_point()))
    assert size < published < size + 600 * len(state)  # names and shapes take the rest


def test_published_names():
    with torch.device("meta"):
        inception, vit, stack = InceptionV3(), VisionTransformer(width=384, depth=12), Classifier("vgg16")
    assert len(inception.state_dict()) == 566
    assert {"Mixed_7c.branch3x3dbl_3b.bn.running_var", "fc.bias"} <= set(inception.state_dict())
    assert {"patch_embed.proj.bias", "blocks.11.attn.qkv.weight", "blocks.0.ls2.gamma"} <= set(vit.state_dict())
    assert {"features.28.weight", "classifier.0.weight", "classifier.3.bias"} <= set(stack.state_dict())
    assert set(Stack("alexnet").state_dict()) == {
        f"features.{i}.{w}" for i in (0, 3, 6, 8, 10) for w in ("weight", "bias")
    }


def test_inception_probabilities(monkeypatch):
    """`classify` without the 24 million weights: a stand-in gives the features."""

    class Short(InceptionV3):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.fc = torch.nn.Linear(2048, 1008)

        def forward(self, x):
            return x.mean((1, 2, 3))[:, None].expand(-1, 2048)

    own = weights.Weights({}, "0" * 64, False, "")
    net = networks.Network("inception", 2048, "tensorflow", own, Short())
    data = dataset(noise(3, 20, 20, 3))
    assert net(data).shape == (3, 2048) and net.logits(data).shape == (3, 1008)
    assert np.allclose(net.classify(data).sum(1), 1)
    assert np.allclose(net.logits(data), net(data) @ net.net.fc.weight.detach().double().numpy().T, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ("inception", "vgg16", "alexnet"))
def test_whole_files(tmp_path, kind):
    with torch.device("meta"):
        state = (InceptionV3() if kind == "inception" else Classifier(kind)).state_dict()
    state = {n: t if t.is_floating_point() else torch.zeros(t.shape, dtype=t.dtype) for n, t in state.items()}
    state = recipe_state(state)
    if kind != "inception":
        state |= {"classifier.6.weight": torch.zeros(1000, 4096), "classifier.6.bias": torch.zeros(1000)}
    save_file(state, tmp_path / "w.safetensors")
    net = load_network(tmp_path / "w.safetensors", kind)
    assert net.signature.endswith("shaped as published, not verified")
    features = net(dataset(noise(2, 40, 40, 3)))
    assert features.shape == (2, net.dimension) and np.isfinite(features).all()
