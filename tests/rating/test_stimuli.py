"""Stimuli: alike in all but their content, whatever the files they came from were like."""

import io
import json
import struct
import wave

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from genwright.data.like import read_like
from genwright.data.read import read
from genwright.errors import DataError
from genwright.rating.pictures import png
from genwright.rating.sounds import read_wav
from genwright.rating.stimuli import card, draw, medium_of
from tests.rating.conftest import pictures, rows, sounds, texts

MANY = {"a": 9, "b": 9}


def chunks(raw: bytes) -> list[tuple[bytes, int]]:
    found, at = [], 8
    while at < len(raw):
        length, kind = struct.unpack(">I4s", raw[at : at + 8])
        found.append((kind, length))
        at += 12 + length
    return found


def shown(folder, make, read_one, **how):
    a, b = (
        make(folder / f"a{how.get('suffix', '')}", 12, seed=1),
        make(folder / f"b{how.get('suffix', '')}", 12, seed=2),
    )
    return draw({"a": read_one(a), "b": read_one(b)}, MANY, seed=0)


def test_png_holds_the_pixels_and_nothing_else():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    raw = png(pixels)
    image = Image.open(io.BytesIO(raw))
    assert np.array_equal(np.asarray(image), pixels) and not image.info
    assert [kind for kind, _ in chunks(raw)] == [b"IHDR", b"IDAT", b"IEND"]


def test_images_of_all_systems_have_the_same_size_mode_and_chunks(tmp_path):
    noisy = pictures(tmp_path / "a", 12, seed=1, size=16)
    (tmp_path / "b").mkdir()
    for i in range(12):  # larger, in colour, smooth (so that they would compress well), with a comment and a palette
        info = PngImagePlugin.PngInfo()
        info.add_text("Software", "secret-model-7")
        image = Image.new("RGB", (40, 30), (i, 10 * i, 200))
        (image.convert("P") if i % 2 else image).save(tmp_path / "b" / f"{i}.png", pnginfo=info)
    made = draw({"a": read(str(noisy)), "b": read(str(tmp_path / "b"))}, MANY, seed=0)
    assert len({tuple(chunks(raw)) for each in made.files.values() for raw in each}) == 1
    assert len({len(raw) for each in made.files.values() for raw in each}) == 1
    assert {Image.open(io.BytesIO(raw)).size for each in made.files.values() for raw in each} == {(30, 30)}
    assert all(b"secret" not in raw for raw in made.files["b"])
    assert any("middle square" in note for note in made.notes) and any("30 x 30" in note for note in made.notes)


def test_small_images_are_enlarged_without_blurring(tmp_path):
    pictures(tmp_path / "a", 12, seed=1, size=8)
    pictures(tmp_path / "b", 12, seed=2, size=32)
    made = draw({name: read(str(tmp_path / name)) for name in "ab"}, MANY, seed=0)
    pixels = np.asarray(Image.open(io.BytesIO(made.files["a"][0])))
    assert pixels.shape == (32, 32)
    assert np.array_equal(pixels, pixels[::4, ::4].repeat(4, 0).repeat(4, 1))


def test_transparent_becomes_white_and_few_levels_are_spread(tmp_path):
    (tmp_path / "a").mkdir()
    for i in range(12):
        image = Image.new("RGBA", (6, 6), (0, 0, 0, 0))
        image.putpixel((1, 1), (9, i, 9, 255))
        image.save(tmp_path / "a" / f"{i}.png")
    made = draw({"a": read(str(tmp_path / "a")), "b": read("digits")}, MANY, seed=0)
    pixels = np.asarray(Image.open(io.BytesIO(made.files["a"][0])))
    assert pixels.shape == (8, 8, 3) and pixels[7, 7].tolist() == [255, 255, 255]
    assert max(np.asarray(Image.open(io.BytesIO(raw))).max() for raw in made.files["b"]) == 255


def test_sounds_have_one_length_rate_and_loudness(tmp_path):
    sounds(tmp_path / "a", 12, seed=1, loudness=0.9)
    sounds(tmp_path / "b", 12, seed=2, loudness=0.05, rate=16000, seconds=0.5)
    made = draw({"a": tmp_path / "a", "b": tmp_path / "b"}, MANY, seed=0)
    loudness = []
    for each in made.files.values():
        for raw in each:
            with wave.open(io.BytesIO(raw)) as file:
                assert file.getparams()[:3] == (1, 2, 16000)
                samples = np.frombuffer(file.readframes(10**6), "<i2") / 32767
            loudness.append(np.sqrt(np.mean(samples**2)))
            assert np.abs(samples).max() < 1
    assert len({len(raw) for each in made.files.values() for raw in each}) == 1
    assert len({raw[:44] for each in made.files.values() for raw in each}) == 1
    assert np.ptp(loudness) < 1e-4 and np.mean(loudness) > 0.05


def test_a_much_shorter_sound_is_left_out_rather_than_shorten_all(tmp_path):
    sounds(tmp_path / "a", 12, seed=1, seconds=1.0)
    sounds(tmp_path / "b", 12, seed=2, seconds=1.0)
    sounds(tmp_path / "b" / "short", 1, seed=3, seconds=0.1)
    made = draw({"a": tmp_path / "a", "b": tmp_path / "b"}, MANY, seed=0)
    assert len(made.files["a"][0]) > 16000
    assert any("1 sounds shorter" in note for note in made.notes)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_samples_of_every_width_are_read_alike(tmp_path, width):
    tone = np.sin(np.linspace(0, 40, 800)) * 0.5
    whole = np.rint(tone * 2 ** (8 * width - 1)).astype(np.int64)
    raw = b"".join(
        int(v + 128).to_bytes(1, "little") if width == 1 else int(v).to_bytes(width, "little", signed=True)
        for v in whole
    )
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setparams((1, width, 8000, 0, "NONE", ""))
        file.writeframes(raw)
    samples, rate = read_wav(tmp_path / "x.wav")
    assert rate == 8000 and np.abs(samples - tone).max() < 2.0 ** (1 - 8 * width) + 1e-9


def test_texts_are_written_one_way_and_padded(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        "".join(
            json.dumps({"text": f"  A cafe\u0301 by the long, long river\r\nnumber {i}  "}) + "\n" for i in range(12)
        )
    )
    texts(tmp_path / "b.jsonl", 12, seed=2)
    made = draw({n: read(str(tmp_path / f"{n}.jsonl")) for n in "ab"}, MANY, seed=0)
    assert len({len(raw) for each in made.files.values() for raw in each}) == 1
    text = made.files["a"][0].decode().rstrip("\n")
    assert text.startswith("A café by") and "\r" not in text and text == text.strip()
    assert any("longer than" in note for note in made.notes)


def test_rows_of_all_systems_have_the_decimals_of_the_first_and_no_keys(tmp_path):
    real = read(str(rows(tmp_path / "real.csv", 30, seed=0)))
    fake = read_like(str(rows(tmp_path / "fake.csv", 30, seed=1, decimals=9)), real)
    made = draw({"fake": fake, "real": real}, {"fake": 9, "real": 9}, seed=0)
    for each in made.files.values():
        for raw in each:
            row = dict(json.loads(raw))
            assert list(row) == ["age", "weight", "home"]
            assert len(row["weight"].partition(".")[2]) <= 2
    assert len({len(raw) for each in made.files.values() for raw in each}) == 1


def test_systems_of_different_kinds_are_refused(tmp_path):
    sources = {"a": read("digits"), "b": read(str(texts(tmp_path / "t.jsonl", 12, seed=0)))}
    with pytest.raises(DataError, match="b: texts, but a holds images"):
        medium_of(sources)


def test_what_two_systems_share_is_refused(tmp_path):
    pictures(tmp_path / "a", 12, seed=1)
    pictures(tmp_path / "b", 12, seed=1)
    with pytest.raises(DataError, match="b: 12 of 12 stimuli are also in a"):
        draw({name: read(str(tmp_path / name)) for name in "ab"}, MANY, seed=0)


def test_duplicates_within_a_system_are_left_out_and_told(tmp_path):
    pictures(tmp_path / "a", 12, seed=1)
    (tmp_path / "a" / "copy.png").write_bytes((tmp_path / "a" / "a-000.png").read_bytes())
    pictures(tmp_path / "b", 12, seed=2)
    made = draw({name: read(str(tmp_path / name)) for name in "ab"}, {"a": 13, "b": 5}, seed=0)
    assert made.available == {"a": 12, "b": 5}
    assert any("1 duplicates within a" in note for note in made.notes)


def test_tables_with_other_columns_are_refused(tmp_path):
    a = read(str(rows(tmp_path / "a.csv", 12, seed=1)))
    with pytest.raises(DataError, match="b: columns age, weight, but a has age, weight, home"):
        draw({"a": a, "b": read(str(rows(tmp_path / "b.csv", 12, seed=2))).select(["age", "weight"])}, MANY, seed=0)


@pytest.mark.parametrize(
    ("raw", "told"), [(b"RIFF", "cannot be read"), (b"no sound at all", "cannot be read"), (b"", "cannot be read")]
)
def test_damaged_sounds_are_named(tmp_path, raw, told):
    sounds(tmp_path / "a", 3, seed=1)
    (tmp_path / "a" / "bad.wav").write_bytes(raw)
    sounds(tmp_path / "b", 3, seed=2)
    with pytest.raises(DataError, match=rf"bad\.wav: {told}"):
        draw({"a": tmp_path / "a", "b": tmp_path / "b"}, MANY, seed=0)


def test_silence_is_named(tmp_path):
    sounds(tmp_path / "a", 3, seed=1, loudness=0.0)
    with pytest.raises(DataError, match="it is silent"):
        read_wav(tmp_path / "a" / "a-000.wav")


def test_checks_say_what_to_do():
    assert card("pair", "left") == "This is a check.\nChoose this one."
    assert card("pair", "left", right=True) == "This is a check.\nDo not choose this one."
    assert card("pair", "right", right=True) == "This is a check.\nChoose this one."
    assert "“real”" in card("origin", "real") and card("scale", "6").endswith("answer 6.")
