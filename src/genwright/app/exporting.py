"""`genwright export`: a saved generator as other libraries read it."""

from pathlib import Path

import click

from genwright.app.exits import answering
from genwright.app.options import read_sampling
from genwright.app.output import print_json
from genwright.folders import probe


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "to",
    type=click.Choice(["huggingface", "gguf", "onnx", "diffusers"]),
    required=True,
    help="A folder for transformers and vLLM, a file for llama.cpp, a folder for onnxruntime or for diffusers.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The folder or file to write.")
@click.option("--quantize", type=click.Choice(["q8_0"]), help="Matrices in 8 bits, in GGUF alone.")
@click.option("--how", metavar="K=V,…", multiple=True, help="How arrays are drawn: steps=4,sampler=ddim,guidance=1.")
@click.option("--force", is_flag=True, help="Replace what an earlier export wrote there.")
@answering
def export(
    folder: Path,
    to: str,
    out: Path,
    quantize: str | None,
    how: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Write the model saved in DIR for other libraries: texts with their tokenizer, images with their sampler.

    \b
    genwright export runs/prose --to huggingface --out prose-hf
    genwright export runs/prose --to gguf --out prose.gguf
    genwright export runs/prose --to gguf --quantize q8_0 --out prose-q8.gguf
    genwright export runs/prose --to onnx --out prose-onnx
    genwright export runs/animals --to onnx --how steps=4 --out animals-onnx
    genwright export runs/portable --to diffusers --out animals-diffusers

    Texts: autoregressive models without conditions, whose net is that of Qwen3. Images and other arrays: flow matching
    and diffusion, as one graph from noise to records; for diffusers, those fitted with --net portable. They compute the
    same elsewhere. DIR may also be a folder of Hugging Face with a Qwen3 or Llama model.
    """
    from genwright.export.export import export_model
    from genwright.model.saving import load

    probe(out)
    how_to_draw = read_sampling({"how": how, "grammar": None})
    written = export_model(load(folder, device="cpu"), out, to=to, quantize=quantize, how=how_to_draw, force=force)
    size = sum(path.stat().st_size for path in (written.rglob("*.*") if written.is_dir() else [written]))
    if as_json:
        print_json({"out": str(written), "to": to, "quantize": quantize, "bytes": size})
    else:
        click.echo(f"wrote {size / 1e6:,.1f} MB to {written}", err=True)
