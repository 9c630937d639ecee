"""On the edge: a small model as one ONNX file that draws in a browser, with no server and no Python.

The file holds the net and the sampler's loop: noise and a label go in, images come out. onnxruntime, here in Python and
there in the browser, gives what torch gives. Weights are also written as whole numbers of 8 bits, which makes the file
smaller; whether that is faster is measured, not assumed: convolutions of few channels seldom are.

    python examples/edge.py

You should see onnxruntime and torch agree to a millionth, and find runs/examples/edge/index.html: put the files of
onnxruntime-web (`npm pack onnxruntime-web`, its folder dist/) beside it as ort/, serve the folder with
`python -m http.server -d runs/examples/edge`, open it in a browser and draw digits.
"""

import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import genwright as gw
import show

HOW = gw.Sampling(steps=3, guidance=1.5)
EXPECTED = {
    "largest difference from torch": (0.0, 1e-4),  # 5.7e-7
    "kilobytes": (100, 1000),  # 540
    "kilobytes in 8 bits": (30, 900),  # 206
    "largest difference in 8 bits": (0.0, 1.0),  # .014
}

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Digits, drawn here</title>
<style>body{font:16px system-ui;margin:2rem;max-width:40rem}
canvas{image-rendering:pixelated;width:100%;border:1px solid #888}
button{font:inherit;margin:.2rem;padding:.3rem .7rem}</style>
<h1>Digits, drawn here</h1>
<p>A generative model of handwritten digits runs in this page: nothing is sent anywhere.</p>
<div id="labels"></div><p id="told">Loading …</p><canvas width="80" height="40"></canvas>
<script src="ort/ort.wasm.min.js"></script>
<script>
const about = ABOUT, rows = 4, columns = 8, told = document.getElementById("told");
const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
async function begin() {
  if (!window.ort) {
    told.textContent = "Put the files of onnxruntime-web (its folder dist) beside this page as ort/.";
    return;
  }
  ort.env.wasm.wasmPaths = new URL("ort/", location).href; ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create("model.onnx");
  const draw = async (level) => {
    const n = rows * columns, [channels, height, width] = about.shape, size = channels * height * width;
    const noise = new ort.Tensor("float32", Float32Array.from({length: n * size}, normal), [n, ...about.shape]);
    const label = new ort.Tensor("int64", BigInt64Array.from({length: n}, () => BigInt(level)), [n]);
    const began = performance.now();
    const records = (await session.run({noise, label})).records.data;
    const context = document.querySelector("canvas").getContext("2d");
    const canvas = context.canvas; canvas.width = columns * (width + 2); canvas.height = rows * (height + 2);
    const image = context.createImageData(width, height);
    for (let k = 0; k < n; k++) {
      for (let i = 0; i < size; i++) {
        const value = 255 * (records[k * size + i] + 1) / 2;
        image.data.set([value, value, value, 255], 4 * i);
      }
      context.putImageData(image, (k % columns) * (width + 2) + 1, Math.floor(k / columns) * (height + 2) + 1);
    }
    told.textContent = `${n} images in ${Math.round(performance.now() - began)} ms`;
  };
  [["any", -1], ...about.levels.map((name, level) => [name, level])].forEach(([name, level]) => {
    const button = document.createElement("button");
    button.textContent = name; button.onclick = () => draw(level);
    document.getElementById("labels").append(button);
  });
  await draw(-1);
}
begin().catch((error) => { told.textContent = error; });
</script></html>
"""


def quantized(path: Path) -> Path:
    """The same graph with its weights in 8 bits, and back to floating point where it computes."""
    import onnx
    from onnx import helper, numpy_helper

    graph = onnx.load(path)
    kept = []
    for tensor in list(graph.graph.initializer):
        weight = numpy_helper.to_array(tensor)
        if weight.dtype != np.float32 or weight.size < 512:
            kept.append(tensor)
            continue
        scale = np.maximum(np.abs(weight).reshape(len(weight), -1).max(1), 1e-8) / 127
        whole = np.round(weight / scale.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.int8)
        parts = {"int8": whole, "scale": scale.astype(np.float32), "zero": np.zeros(len(weight), np.int8)}
        kept += [numpy_helper.from_array(part, f"{tensor.name}.{name}") for name, part in parts.items()]
        names = [f"{tensor.name}.{name}" for name in parts]
        graph.graph.node.insert(0, helper.make_node("DequantizeLinear", names, [tensor.name], axis=0))
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    found = path.with_name("model-int8.onnx")
    onnx.save(graph, found)
    return found


def drawn(path: Path, noise: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, float]:
    """Images from noise, and milliseconds."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    session.run(None, {"noise": noise, "label": label})
    began = time.perf_counter()
    [found] = session.run(None, {"noise": noise, "label": label})
    return found, 1000 * (time.perf_counter() - began)


def levels_of(path: Path) -> list[str]:
    """What the levels of the label are called, in the order of their numbers: it stands in the file."""
    import onnxruntime

    told = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    return list(map(str, json.loads(told["levels"])["label"]))


def by_torch(model: gw.Generator, noise: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The same by the model itself: the images that these latents are carried to."""
    family = model.family
    assert isinstance(family, gw.FlowMatching)
    context = torch.from_numpy(label).float()[:, None]
    return family.process(model.net, HOW).decode(model.net, torch.from_numpy(noise), context).numpy()


def main(out: Path | None = None) -> dict[str, float]:
    """A model of digits, its file, the same in 8 bits, and the page."""
    model = gw.fit(gw.read("digits"), family=gw.FlowMatching(width=16, batch=32), steps=250)
    folder = show.FOLDER / "edge" if out is None else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        written = gw.export_model(model, Path(place) / "onnx", to="onnx", how=HOW)
        path = Path(shutil.copy(written / "model.onnx", folder))
    noise = np.random.default_rng(0).normal(size=(32, 1, 8, 8)).astype(np.float32)
    label = np.arange(32) % 10
    found, took = drawn(path, noise, label)
    small = quantized(path)
    rough, rough_took = drawn(small, noise, label)
    about = {"shape": list(model.codec.space.shape), "levels": levels_of(path)}
    (folder / "index.html").write_text(PAGE.replace("ABOUT", json.dumps(about)), encoding="utf-8")
    print(f"the page is {folder / 'index.html'}")
    print(f"32 images: {took:.0f} ms, in 8 bits {rough_took:.0f} ms")
    page, axes = show.figure(1, 2)
    for axis, images, title in ((axes[0, 0], found, "onnxruntime"), (axes[0, 1], rough, "weights in 8 bits")):
        show.images(axis, np.moveaxis(8 * (images + 1), 1, 3), columns=8, title=title)
    show.save(page, out, "edge")
    numbers = {
        "largest difference from torch": float(np.abs(found - by_torch(model, noise, label)).max()),
        "kilobytes": path.stat().st_size / 1000,
        "kilobytes in 8 bits": small.stat().st_size / 1000,
        "largest difference in 8 bits": float(np.abs(found - rough).max()),
    }
    return show.numbers(numbers, EXPECTED)


if __name__ == "__main__":
    show.command(main)
