"""Every example runs, prints numbers where it says they lie, and draws its pictures."""

import importlib
import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import genwright as gw

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples"
PICTURES = {
    "generative_vs_discriminative": ["generative_vs_discriminative"],
    "bayes_classifier": ["bayes_classifier"],
    "when_generative_wins": ["when_generative_wins"],
    "conditions": ["conditions"],
    "constraints": ["constraints"],
    "inspect_data": ["inspect_data"],
    "domains.medical_table": ["medical_table"],
    "domains.signals": ["signals"],
    "sensors": ["sensors"],
    "latent_space": ["latent_plane", "latent_walks"],
    "generator_framework": ["generator_framework"],
    "vae": ["vae"],
    "gan": ["gan"],
    "training_doctor": ["training_doctor"],
    "diffusion": ["diffusion_forward", "diffusion_samples"],
    "autoregressive": ["autoregressive"],
    "latent_diffusion": ["latent_diffusion"],
    "images_from_a_folder": ["images_from_a_folder"],
    "inpaint": ["inpaint"],
    "text_to_image": ["text_to_image"],
    "caption": ["caption"],
    "quality_control": ["quality_control"],
    "why_this_sample": ["why_this_sample"],
    "losses": ["losses"],
    "image_metrics": ["image_metrics"],
    "text_metrics": ["text_metrics"],
    "general_metrics": ["general_metrics"],
    "rate": ["rate"],
    "human_feedback": [],
    "few_shot": ["few_shot"],
    "story": [],
    "chat": [],
    "translate": [],
    "code_completion": [],
    "serve": ["serve"],
    "edge": ["edge"],
    "budget": [],
    "sign_and_verify": [],
    "watermark": [],
    "ledger": [],
    "bias_audit": [],
    "privacy_audit": [],
    "private_training": [],
    "model_card": [],
}

LONG = (
    "edge",
    "budget",
    *("images_from_a_folder", "inpaint", "text_to_image", "caption", "quality_control", "why_this_sample"),
    "latent_diffusion",
    "when_generative_wins",
    "gan",
    "training_doctor",
    "autoregressive",
    "diffusion",
    "losses",
    "latent_space",
    "generator_framework",
    *("human_feedback", "few_shot", "story", "chat", "translate", "code_completion"),
)
SHORTER = 12  # times shorter are the fits of long examples where they only have to run; their numbers are a slow test


@pytest.fixture
def example(request, monkeypatch):
    """The example as a module, with `examples/` on the path as when it is run from the command line."""
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module(request.param)
    for name in (request.param, "show", "text_to_image"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "example", [pytest.param(e, marks=pytest.mark.slow) if e in LONG else e for e in PICTURES], indirect=True
)
@pytest.mark.filterwarnings("ignore:.*values unlike the rows the (codec|model) was fitted to")
@pytest.mark.usefixtures("loopback")
def test_example_does_what_it_says(example, tmp_path):
    numbers = example.main(tmp_path)
    assert set(numbers) == set(example.EXPECTED)
    for name, (low, high) in example.EXPECTED.items():
        assert low <= numbers[name] <= high, f"{name} is {numbers[name]:g}, not {low:g} to {high:g}"
    pictures_are_there(example, tmp_path)


@pytest.mark.parametrize("example", LONG, indirect=True)
def test_long_example_runs(example, tmp_path, monkeypatch):
    for name in ("fit", "tune"):
        whole = getattr(gw, name)
        monkeypatch.setattr(gw, name, partial(shorter, whole))
    monkeypatch.setattr(example, "SPLITS", 1, raising=False)
    numbers = example.main(tmp_path)
    assert set(numbers) == set(example.EXPECTED) and np.isfinite(list(numbers.values())).all()
    pictures_are_there(example, tmp_path)


def shorter(whole, *given, steps=None, minutes=None, **how):
    steps, minutes = steps and max(2, steps // SHORTER), minutes and minutes / SHORTER
    return whole(*given, steps=steps, minutes=minutes, **how)


def pictures_are_there(example, folder):
    assert {path.stem for path in folder.iterdir()} == set(PICTURES[example.__name__])
    for path in folder.iterdir():
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("L"))
        assert min(pixels.shape) > 200, f"{path.name} is too small to look at"
        assert 0.02 < (pixels < 250).mean() < 0.9, f"{path.name} is blank"


def test_every_example_says_how_to_run_it():
    for path in (name.replace(".", "/") for name in PICTURES):
        text = (FOLDER / f"{path}.py").read_text(encoding="utf-8")
        assert f"    python examples/{path}.py\n" in text.split('"""')[1], path


def test_the_concept_map_names_every_example():
    page = (ROOT / "docs" / "concepts" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"examples/([\w/]+)\.py", page))
    assert named == {str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.py")} - {"show"}
