"""Pictures filled in and varied: what is kept is kept exactly, what is drawn fits what is kept."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from tests.model.test_media_conditions import SMALL, pictures

import genwright as gw
from genwright.app.cli import main
from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.denoising import ArrayProcess

LEFT = np.arange(8)[None, :] < np.full((8, 1), 4)


@pytest.fixture(scope="module")
def data():
    return pictures(96).select(["image", "label"])


@pytest.fixture(scope="module")
def model(data):
    return gw.fit(data, family=gw.FlowMatching(width=8), steps=150, seed=1)


def lit(pixels):
    """Mean light of the left and the right half of each picture."""
    return np.stack([pixels[:, :, :4].mean((1, 2, 3)), pixels[:, :, 4:].mean((1, 2, 3))], axis=1)


def test_what_is_not_masked_is_kept_exactly_and_the_rest_fits_it(model, data):
    images = data.columns["image"][:40]
    drawn = model.sample(40, given={"image": gw.Inpaint(images, LEFT)}, seed=2)
    assert np.array_equal(drawn.columns["image"][:, :, 4:], images[:, :, 4:])
    assert set(drawn.columns["label"]) == {None}  # of what is drawn to fit a part, the label is not known
    dark = lit(images)[:, 1] > 10  # a light square on the right: none on the left
    light = lit(drawn.columns["image"])[:, 0]
    assert light[~dark].mean() > 1.5 * light[dark].mean()
    again = gw.reproduce(drawn.origin, model, given={"image": gw.Inpaint(images, LEFT)})
    assert np.array_equal(again.columns["image"], drawn.columns["image"])
    with pytest.raises(ArgumentError, match="something else"):
        gw.reproduce(drawn.origin, model, given={"image": gw.Inpaint(images, ~LEFT)})
    told = model.sample(2, given={"image": gw.Inpaint(images[0], LEFT), "label": "b"}, seed=2)
    assert list(told.columns["label"]) == ["b", "b"]


@pytest.mark.parametrize("family", [gw.FlowMatching(width=8), gw.Diffusion(width=8), gw.TwoStage()])
def test_variations_go_from_the_picture_itself_to_any(data, family):
    model, images = gw.fit(data, family=family, steps=24, seed=1), data.columns["image"][:32]
    far = []
    for strength in (0, 0.3, 0.9):
        drawn = model.sample(32, given={"image": gw.Variation(images, strength)}, seed=3)
        far.append(np.abs(drawn.columns["image"].astype(float) - images).mean())
    assert far[0] == 0 < far[1]
    assert far[1] < far[2] or isinstance(family, gw.TwoStage)  # whose latents say little after so few steps


def test_a_variation_keeps_what_is_not_masked(model, data):
    image = data.columns["image"][0]
    drawn = model.sample(3, given={"image": gw.Variation(image, 0.5, LEFT)}, seed=3).columns["image"]
    assert (drawn[:, :, 4:] == image[:, 4:]).all() and (drawn[:, :, :4] != image[:, :4]).any()


def test_less_noise_to_start_from_makes_what_is_filled_in_less_varied(model, data):
    given = {"image": gw.Inpaint(data.columns["image"][0], LEFT)}
    spread = [
        model.sample(16, given=given, how=gw.Sampling(temperature=t), seed=3).columns["image"].std(axis=0).mean()
        for t in (0.0, 0.4, 1.0)
    ]
    assert spread[0] == 0 < spread[1] < spread[2]


def test_what_cannot_be_filled_in_or_varied_is_refused_by_name(model, data):
    image = data.columns["image"][0]
    for wrong in (LEFT[:4], np.full((8, 8), 0.5), "left", [LEFT, LEFT[:2]]):
        with pytest.raises(ArgumentError, match="mask"):
            model.sample(2, given={"image": gw.Inpaint(image, wrong)})
    with pytest.raises(ArgumentError, match="shape"):
        model.sample(2, given={"image": gw.Variation(image[:4], 0.5)})
    with pytest.raises(ArgumentError, match="gaps"):
        model.sample(2, given={"image": gw.Variation(np.full((8, 8, 1), np.nan), 0.5)})
    with pytest.raises(ArgumentError, match="no such strength"):
        gw.Variation(image, 1.5)
    vae = gw.fit(data, family=gw.VAE(width=8), steps=2)
    assert np.array_equal(
        vae.sample(1, given={"image": gw.Inpaint(image, LEFT)}).columns["image"][0][:, 4:], image[:, 4:]
    )
    with pytest.raises(UnsupportedError, match="near a record") as caught:
        vae.sample(1, given={"image": gw.Variation(image, 0.5)})
    assert "FlowMatching" in caught.value.hint


def test_pictures_are_given_by_their_paths(model, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save(tmp_path / "m")
    image = data.columns["image"][0]
    Image.fromarray(image[:, :, 0]).save("photo.png")
    Image.fromarray(LEFT.astype(np.uint8) * 255).save("hole.png")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save("large.png")

    def run(*words):
        result = CliRunner().invoke(main, ["sample", "m", "-n", "2", "--out", "out", *words])
        return result.exit_code, result.output

    assert run("--given", "image=photo.png", "--mask", "hole.png")[0] == 0
    drawn = gw.read(tmp_path / "out").columns["image"]
    assert (drawn[:, :, 4:] == image[:, 4:]).all()
    assert run("--given", "image=photo.png", "--strength", "0")[0] == 0
    assert (gw.read(tmp_path / "out").columns["image"] == image).all()
    assert run("--given", "image=photo.png")[0] == 0
    for words, message in (
        (("--given", "image=large.png"), "9 x 9"),
        (("--given", "image=nothing.png"), "no such picture"),
        (("--mask", "hole.png"), "add --given image=PATH"),
        (("--given", "image=photo.png", "--strength", "3"), "--strength"),
    ):
        code, output = run(*words)
        assert code != 0 and message in output, output
    assert json.loads((tmp_path / "m" / "recipe.json").read_text())["family"]


def test_a_caption_is_written_to_a_file_and_a_picture_drawn_by_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = pictures(40)
    family = gw.Autoregressive(width=16, depth=1, heads=2)
    gw.fit(data, family=family, target="caption", steps=2).save(tmp_path / "says")
    gw.fit(data, family=gw.FlowMatching(width=8), target="image", derived=[SMALL], steps=2).save(tmp_path / "draws")
    Image.fromarray(data.columns["image"][0][:, :, 0]).save("photo.png")
    Image.fromarray(np.zeros((2, 2), np.uint8)).save("small.png")

    def run(*words):
        result = CliRunner().invoke(main, ["sample", *words])
        assert result.exit_code == 0, result.output
        return result.output

    run("says", "-n", "2", "--given", "image=photo.png", "--out", "said.jsonl")
    assert [list(json.loads(line)) for line in (tmp_path / "said.jsonl").read_text().splitlines()] == [
        ["label", "caption"]
    ] * 2
    run("says", "-n", "2", "--given", "image=photo.png", "--out", "said")
    assert (tmp_path / "said" / "00001.png").exists() and (tmp_path / "said" / "captions.jsonl").exists()
    run("draws", "-n", "4", "--given", "caption=on the left", "--out", "drawn.png")
    run("draws", "-n", "4", "--given", "image: low resolution=small.png", "--out", "larger.png")
    assert (tmp_path / "drawn.png").exists() and (tmp_path / "larger.png").exists()


def test_the_way_back_begins_where_noise_of_that_strength_ends():
    family = gw.Diffusion()
    way = ArrayProcess(
        schedule=family.schedule,
        prediction=family.prediction,
        error=lambda out, path: out,
        sampler=lambda model, y, times, schedule, rng: y,
        times=torch.linspace(0.998, 0.0, 21),
        guidance=1.0,
    )
    near, noise = torch.full((1, 2), 3.0), torch.full((1, 2), 1.0)
    start, back = way.midway(near, 0.25, noise)
    alpha, sigma = family.schedule(torch.tensor(0.25 * 0.998))
    assert torch.allclose(start, alpha * near + sigma * noise)
    assert len(back.times) == 6 and float(back.times[-1]) == 0.0
    whole, all_the_way = way.midway(near, 1.0, noise)
    assert len(all_the_way.times) == 21 and (whole - noise).abs().max() < 0.05  # nothing is left of it
