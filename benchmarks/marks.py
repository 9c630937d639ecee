"""What the marks survive, and how often chance looks like one: `python -m benchmarks.marks` writes the page of it.

Texts are drawn with 2 bits a token (a uniform choice of 4 of 26 letters); pictures are parts of scikit-learn's two
photographs. A text or picture is found where its p-value is below the threshold that stands above its column.
"""

import argparse
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from scipy.stats import beta, gamma
from sklearn.datasets import load_sample_images

from genwright.codecs.tokenizers import Bytes
from genwright.provenance import image_mark, text_mark
from genwright.provenance.text_mark import TextMark

PAGE = Path(__file__).parents[1] / "docs" / "evidence" / "marks.md"
LETTERS = np.arange(97, 123)


def main() -> None:
    """Measure all, and write the page."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--texts", type=int, default=100)
    asked.add_argument("--pictures", type=int, default=20)
    asked.add_argument("--pairs", type=int, default=20_000, help="of an unmarked text and a key")
    n = asked.parse_args()
    lines = [
        "# What marks survive",
        "",
        f"`python -m benchmarks.marks --texts {n.texts} --pictures {n.pictures} --pairs {n.pairs}`, seed 0.",
        "Intervals are 95 %, Clopper–Pearson. See [the guide](../guides/provenance.md).",
        "",
        *_texts(n.texts),
        *_false_alarms(n.pairs),
        *_pictures(n.pictures, 256, (40.0,)),
        *_pictures(n.pictures, 64, (40.0, 34.0, 30.0)),
    ]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def share(found: int, n: int) -> str:
    """A share with its interval."""
    low = beta.ppf(0.025, found, n - found + 1) if found else 0.0
    high = beta.ppf(0.975, found + 1, n - found) if found < n else 1.0
    return f"{found / n:.3g} ({low:.3g} to {high:.3g})"


def written(mark: TextMark, length: int, texts: int, rng: np.random.Generator) -> list[list[int]]:
    """Marked texts of 2 bits a token."""
    found: list[list[int]] = [[] for _ in range(texts)]
    for _ in range(length):
        logits = torch.full((texts, 256), -torch.inf)
        some = rng.permuted(np.tile(LETTERS, (texts, 1)), axis=1)[:, :4]
        logits[torch.arange(texts)[:, None], torch.from_numpy(some)] = 0.0
        new = mark.choose(logits, found, torch.from_numpy(rng.random(texts)), list(range(texts)))
        for text, token in zip(found, new.tolist(), strict=True):
            text.append(token)
    return found


def _texts(n: int) -> list[str]:
    rng = np.random.default_rng(0)
    secret = rng.bytes(32)
    texts = written(TextMark(secret), 200, n, rng)
    other = lambda text, part: [int(rng.choice(LETTERS)) if rng.random() < part else t for t in text]  # noqa: E731
    attacks: Mapping[str, Callable[[list[int]], list[int]]] = {
        "none": lambda text: text,
        "10 % of tokens replaced": lambda text: other(text, 0.1),
        "20 % of tokens replaced": lambda text: other(text, 0.2),
        "30 % of tokens replaced": lambda text: other(text, 0.3),
        "10 % of tokens deleted": lambda text: [t for t in text if rng.random() >= 0.1],
        "half of it cut off": lambda text: text[100:],
        "within 200 unmarked tokens": lambda text: [*rng.choice(LETTERS, 100), *text, *rng.choice(LETTERS, 100)],
    }
    lines = [
        f"## Texts of 200 tokens, {n} of them",
        "",
        "| attack | found at 1e-3 | found at 1e-5 | median p |",
        "|---|---|---|---|",
    ]
    for name, attack in attacks.items():
        p = [text_mark.find([bytes(map(int, attack(text))).decode()], secret, Bytes()).p_value or 1.0 for text in texts]
        counts = [share(sum(each < limit for each in p), n) for limit in (1e-3, 1e-5)]
        lines.append(f"| {name} | {counts[0]} | {counts[1]} | {np.median(p):.1g} |")
    return [*lines, ""]


def _false_alarms(n: int) -> list[str]:
    """Unmarked texts of 100 tokens, each with a key of its own, one nonce at a time: what p-values are made of."""
    rng = np.random.default_rng(1)
    p = np.empty(n)
    for i in range(n):
        scores = text_mark.scores(rng.choice(LETTERS, 100).tolist(), rng.bytes(32), int(rng.integers(64)))
        p[i] = gamma.sf(scores.sum(), len(scores))
    lines = [
        f"## False alarms, {n:,} pairs of an unmarked text and a key",
        "",
        "| p-value below | share of pairs |",
        "|---|---|",
    ]
    lines += [f"| {limit:g} | {share(int((p < limit).sum()), n)} |" for limit in (0.1, 0.01, 0.001)]
    return [*lines, ""]


def _again(picture: Pillow.Image, kind: str, **how: int) -> Pillow.Image:
    held = io.BytesIO()
    picture.save(held, kind, **how)
    return Pillow.open(held).convert("RGB")


def _cut(picture: Pillow.Image) -> Pillow.Image:
    side = round(picture.width * 0.75**0.5)
    return picture.crop(
        (picture.width // 17, picture.width // 29, picture.width // 17 + side, picture.width // 29 + side)
    )


def _scaled(factor: float) -> Callable[[Pillow.Image], Pillow.Image]:
    return lambda p: p.resize((round(p.width * factor), round(p.height * factor)), Pillow.Resampling.BICUBIC)


ATTACKS: Mapping[str, Callable[[Pillow.Image], Pillow.Image]] = {
    "none": lambda p: p,
    "JPEG, quality 75": lambda p: _again(p, "JPEG", quality=75),
    "JPEG, quality 50": lambda p: _again(p, "JPEG", quality=50),
    "JPEG, quality 25": lambda p: _again(p, "JPEG", quality=25),
    "a quarter cropped": _cut,
    "half the size": _scaled(0.5),
    "twice the size": _scaled(2.0),
    "turned by 5 degrees": lambda p: p.rotate(5.0, Pillow.Resampling.BICUBIC),
    "turned by 2.2 degrees": lambda p: p.rotate(2.2, Pillow.Resampling.BICUBIC),
    "30 % brighter, clipped": lambda p: p.point(lambda v: min(255, round(1.3 * v))),
    "noise of 5 levels": lambda p: Pillow.fromarray(
        np.clip(np.asarray(p) + np.random.default_rng(2).normal(0, 5, (p.height, p.width, 3)), 0, 255).astype(np.uint8)
    ),
}


def _photos(n: int, side: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Parts of photographs: 256 pixels as they are, 64 of 256 pixels made smaller."""
    found = []
    for i in range(n):
        photo = load_sample_images().images[i % 2]
        top, left = (int(rng.integers(0, length - 256)) for length in photo.shape[:2])
        part = Pillow.fromarray(photo[top : top + 256, left : left + 256])
        found.append(np.asarray(part.resize((side, side), Pillow.Resampling.LANCZOS)))
    return found


def _pictures(n: int, side: int, levels: tuple[float, ...]) -> list[str]:
    lines = []
    for decibels in levels:
        rng = np.random.default_rng(3)
        photos, secret = _photos(n, side, rng), rng.bytes(32)
        said = [rng.bytes(4) for _ in photos]
        marked = [image_mark.mark(p, secret, b, decibels=decibels) for p, b in zip(photos, said, strict=True)]
        errors = [np.mean((m.astype(float) - p) ** 2) for m, p in zip(marked, photos, strict=True)]
        ratio = 10 * np.log10(255**2 / np.mean(errors))
        lines += [f"## Pictures of {side} x {side} at {ratio:.1f} dB, {n} of them", ""]
        lines += ["| attack | found at 1e-6 | all 32 bits right |", "|---|---|---|"]
        for name, attack in ATTACKS.items():
            found = [image_mark.find(np.array(attack(Pillow.fromarray(m))), secret) for m in marked]
            right = sum(each.payload == own for each, own in zip(found, said, strict=True))
            lines.append(f"| {name} | {share(sum(f.p_value < 1e-6 for f in found), n)} | {share(right, n)} |")
        clean = [image_mark.find(p, secret).p_value for p in photos]
        lines += [f"| (not marked at all: found at 1e-3) | {share(sum(p < 1e-3 for p in clean), n)} | |", ""]
    return lines


if __name__ == "__main__":
    main()
