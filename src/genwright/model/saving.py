"""Generators as folders: recipe.json, codec.json and weights.safetensors, each held by hash."""

import hashlib
import os
from pathlib import Path
from typing import Any

from torch import Tensor

from genwright.codecs import codec_from_json
from genwright.constraints import Constraints
from genwright.data.paths import existing, meant
from genwright.errors import ArgumentError, StorageError
from genwright.families.family import NetFactory
from genwright.families.rebuild import rebuild
from genwright.families.recipe import recipe_from_json, recipe_to_json, sampling_from_json
from genwright.folders import placed, recover, replacing, steadily
from genwright.model.checkpoint import holds_checkpoint, load_checkpoint
from genwright.model.column_texts import TextColumns
from genwright.model.correction import Correction
from genwright.model.generator import Generator
from genwright.model.lora import LoRA
from genwright.model.part import ChangesNet, Saved
from genwright.model.prior import LabelPrior
from genwright.model.reproduce import tensors_of
from genwright.storage import parse_json, parse_tensors, read_file, read_json, sha256, write_json, write_tensors
from genwright.train.devices import choose_device
from genwright.train.record import checked
from genwright.train.stages import forget
from genwright.typed import entry

RECIPE, CODEC, WEIGHTS = "recipe.json", "codec.json", "weights.safetensors"
PARTS: tuple[Any, ...] = (LoRA, LabelPrior, Correction, Constraints, TextColumns)  # from the family outwards
SCHEMA = 2  # of the saved folder; raised when an older genwright could no longer read it
READS = (1, 2)  # 1 held settings of sampling among the fields of the recipe


def write_generator(model: Generator, folder: Path) -> None:
    """Write recipe.json, codec.json and weights.safetensors; recipe.json holds the hashes of the other two.

    A generator that is there is replaced whole: readers beside this, and a crash in the midst of it, find the old
    one or the new one. Checkpoints of this generator's own fit are not needed any more, and deleted.
    """
    from genwright import __version__

    recipe = {
        "schema": SCHEMA,
        "genwright": __version__,
        **recipe_to_json(model.family),
        **{part.name: part.to_json() for part in model.parts},
        "how": model.how.to_json(),
    }
    with replacing(folder) as new:
        write_tensors(new / WEIGHTS, tensors_of(model))
        write_json(new / CODEC, model.codec.to_json())
        hashes = {name: sha256(new / name) for name in (CODEC, WEIGHTS)}
        write_json(new / RECIPE, recipe | {"sha256": hashes, "record": model.record})
    forget(folder, model.record.get("fingerprint"))
    forget(folder / "texts", model.record.get("texts", {}).get("fingerprint"))


def load(folder: str | Path, *, device: str = "auto", net: NetFactory | None = None) -> Generator:
    """Read what `Generator.save` wrote, after checking every hash; raises StorageError on anything amiss.

    A folder of Hugging Face with a Qwen3 or Llama model is read too, see `load_checkpoint`. `net` is the function that
    made its net, where the model was fitted with one: see `GradientFamily`.
    """
    folder = existing(folder) or Path(folder)
    if not os.path.isdir(folder):
        hint = "; ".join(filter(None, (meant(folder), "give the folder that fit or run wrote")))
        raise StorageError("no such folder", where=str(folder), hint=hint)
    if holds_checkpoint(folder):
        if net is not None:
            raise ArgumentError("its net is that of Qwen3 or Llama", where=str(folder), hint="leave net out")
        return load_checkpoint(folder, device=device)
    recipe, raw = steadily(folder, RECIPE, lambda: _read(folder))
    described = parse_json(raw[CODEC], where=str(folder / CODEC))
    codec = codec_from_json(described, where=str(folder / CODEC))
    tensors, _ = parse_tensors(raw[WEIGHTS], where=str(folder / WEIGHTS))
    target, where = choose_device(device), str(folder / RECIPE)
    family = recipe_from_json(recipe, where=where, net=net)
    module = rebuild(family, codec.space, codec.conditions, _under(tensors, "net/"), target)
    saved = Saved(family, codec, described, where, target)
    found = [kind.load(recipe.get(kind.name), _under(tensors, f"{kind.name}/"), saved) for kind in PARTS]
    return Generator(
        codec=codec,
        family=family,
        net=module,
        parts=tuple(part.into(module) if isinstance(part, ChangesNet) else part for part in found if part is not None),
        record=checked(entry(recipe, "record", dict, where=where), where=f"{where}, record"),
        how=sampling_from_json(recipe, known=family.can(codec.space).how, where=where),
    )


def holds_generator(folder: Path) -> bool:
    """Whether a generator was saved to `folder` itself, a save that was killed at its very end included."""
    recover(folder)
    return (folder / RECIPE).is_file()


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The recipe in `folder`, and the files whose hashes it holds."""
    recipe = read_json(placed(folder, RECIPE))
    if not isinstance(recipe, dict) or not isinstance(recipe.get("sha256"), dict) or "schema" not in recipe:
        raise StorageError("not a genwright recipe", where=str(folder / RECIPE), hint="is the folder right?")
    if recipe["schema"] not in READS:
        raise StorageError(
            f"format {recipe['schema']!r:.20}, and this version reads format {SCHEMA}",
            where=str(folder),
            hint="upgrade genwright, or fit again",
        )
    raw = {name: read_file(placed(folder, name)) for name in (CODEC, WEIGHTS)}
    for name, content in raw.items():
        if recipe["sha256"].get(name) != hashlib.sha256(content).hexdigest():
            hint = "the file was changed"
            raise StorageError("its SHA-256 is not the recorded one", where=str(folder / name), hint=hint)
    return recipe, raw


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
