"""evaluate: every metric that suits the data and that its size can bear, each beside its floor."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

import numpy as np

from genwright.data.align import aligned, same_records, shared
from genwright.data.dataset import Constant, Dataset, Number
from genwright.errors import ArgumentError, DataError
from genwright.extractors.embedding import TextEncoder
from genwright.extractors.feature_cache import FeatureCache
from genwright.extractors.features import Extractor
from genwright.extractors.networks import Network
from genwright.metrics.collect import Found, second_real
from genwright.metrics.judging import divided, score_judge
from genwright.metrics.kind import Sides, Tools
from genwright.metrics.kinds import KINDS, baselines
from genwright.metrics.perceptual import Lpips
from genwright.metrics.two_sample import CROSS_ENTROPY
from genwright.model.generator import Generator
from genwright.privacy import privacy_note
from genwright.scores.score import Group, Score

HEADLINES = (  # the first that could be measured: what the judge says, else by kind of data
    *("C2ST", CROSS_ENTROPY),
    *(name for kind in KINDS.values() for name in kind.headlines),
)


@dataclass(frozen=True)
class Evaluation:
    """All scores of one set of generated records, and notes on what could not be measured and why."""

    scores: tuple[Score, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Score:
        """The score called `name`."""
        for score in self.scores:
            if score.name == name:
                return score
        known = ", ".join(s.name for s in self.scores)
        raise ArgumentError(f"no score called {name!r}", hint=f"there are {known}")

    def __contains__(self, name: str) -> bool:
        return any(score.name == name for score in self.scores)

    def groups(self) -> list[tuple[Group, list[Score]]]:
        """Scores by what they speak of, in the order fidelity, diversity, novelty, utility, likelihood, human."""
        each = [(group, [score for score in self.scores if score.group == group]) for group in get_args(Group)]
        return [(group, scores) for group, scores in each if scores]

    def to_json(self) -> dict[str, Any]:
        """Scores and notes as JSON values; numbers that are not finite as null."""
        scores = [{k: _json_value(v) for k, v in score.to_json().items()} for score in self.scores]
        return {"scores": scores, "notes": list(self.notes)}


def _json_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json_value(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate(
    fake: Dataset,
    *,
    real: Dataset,
    train: Dataset | None = None,
    generator: Generator | None = None,
    extractor: Extractor | Network | None = None,
    cache: FeatureCache | None = None,
    encoder: TextEncoder | None = None,
    only: Collection[str] | None = None,
    floors: dict[str, Sequence[Score]] | None = None,
    seconds: float | None = None,
    most_bytes: int | None = None,
    seed: int = 0,
) -> Evaluation:
    """Compare generated records with real ones.

    `real`: records that the generator was not fitted to. `train`: those it was fitted to, for signs of copying, for
    utility, and for floors (training records against `real`; without them, halves of `real` against each other).
    `generator`: for bits per byte of text. `extractor`: features for images; by default one is fitted to a part of
    `train` (or half of `real`) that takes no part in the comparison. `cache`: where features of images are remembered;
    by default, in this process. `encoder`: an embedding of text, for MAUVE and coherence; slow, and only if given.
    `only`: names of scores, such as those of HEADLINES, to leave out the others. `seconds`: after which no other is
    begun; notes name those left out. `floors`: where those of evaluations that differ in the generator alone are kept.
    `most_bytes`: of text, for scores of its statistics.

    Raises DataError if fields are missing, cannot be compared, or hold fewer than 10 records (one, if they are texts).
    """
    _check_enough(fake, real)
    found = Found(only, floors, seconds)
    found.notes.extend(_not_compared(fake, real, generator))
    real, unlike = shared(real, fake, train)
    found.notes.extend(unlike)
    fake = aligned(fake, real)
    found.notes.extend(_suspicious(fake, real))
    train = None if train is None else aligned(train, real)
    sides = Sides(fake, real, train, _worst(fake, real, train, seed))
    score_judge(found, sides, seed)
    about: dict[str, Any] = {"generator": generator, "extractor": extractor, "encoder": encoder}
    KINDS[real.kind].score(found, sides, Tools(cache=cache or _CACHE, most_bytes=most_bytes, seed=seed, **about))
    return _measured(found, where=fake.name)


def evaluate_pairs(
    fake: Dataset, *, real: Dataset, encoder: TextEncoder | None = None, network: Lpips | None = None, seed: int = 0
) -> Evaluation:
    """Hold record i of `fake` against record i of `real`, the reference.

    Texts: BLEU, chrF, chrF++, TER and ROUGE; BERTScore with `encoder`. Images: PSNR, SSIM and MS-SSIM; LPIPS with
    `network`. These have no floor, for there is only one reference. Raises DataError for sets that differ in length,
    images that differ in size, and tables.
    """
    if len(fake) != len(real):
        raise DataError(
            f"{len(fake)} generated records for {len(real)} real ones",
            where=fake.name,
            hint="records in pairs correspond one by one; if yours do not, use evaluate (without --paired)",
        )
    found = Found()
    if fake.media is not None and same_records(fake, real):
        found.notes.append(f"{fake.name} and {real.name} hold the same records")
    score = KINDS[real.kind].pairs
    if score is None:
        raise DataError(
            "such records are not compared in pairs", where=real.name, hint="use evaluate (without --paired)"
        )
    score(found, Sides(fake, real), Tools(encoder=encoder, network=network, seed=seed))
    return Evaluation(tuple(found.scores), tuple(found.notes))


def _measured(found: Found, *, where: str) -> Evaluation:
    """What was found; DataError where that is nothing though everything was wanted."""
    if not found.scores and found.only is None:
        why = f"give more records ({'; '.join(dict.fromkeys(found.notes))})"
        raise DataError("nothing could be measured", where=where, hint=why)
    return Evaluation(tuple(found.scores), tuple(found.notes))


def _check_enough(fake: Dataset, real: Dataset) -> None:
    fewest = KINDS[real.kind].min_records
    for data in (fake, real):
        if len(data) < fewest:
            raise DataError(
                f"{len(data)} records are too few to evaluate", where=data.name, hint=f"at least {fewest} are needed"
            )


def _worst(fake: Dataset, real: Dataset, train: Dataset | None, seed: int) -> Dataset | None:
    """As many records of a baseline as were generated, within bounds; without training records, one of the half of the
    real ones that its scores do not look at.
    """
    halves = divided if real.running else partial(second_real, train=None, n=0, seed=seed)
    known = halves(real)[1] if train is None else train
    for draw in baselines(known).values():
        return draw(known, min(len(fake), KINDS[known.kind].max_baseline), np.random.default_rng(seed))
    return None


def _not_compared(fake: Dataset, real: Dataset, generator: Generator | None) -> Iterator[str]:
    """What reading changed in the generated records, how private the fit was, and the fields that only one side has."""
    if generator is not None and "privacy" in generator.record:
        yield privacy_note(generator.record["privacy"])
    yield from (f"{fake.name}: {note}" for note in fake.notes)
    extra = [f.name for f in fake.fields if f.name not in {g.name for g in real.fields}]
    if extra:
        yield f"not compared, since the real data has no such field: {', '.join(extra)}"
    constant = [f.name for f in real.fields if isinstance(f, Constant)]
    if constant:
        yield f"not compared, since the real data holds one value or none in it: {', '.join(constant)}"


def _suspicious(fake: Dataset, real: Dataset) -> Iterator[str]:
    """What the scores alone would not show of records with the same fields."""
    if same_records(fake, real):
        yield f"{fake.name} and {real.name} hold the same records: the scores say nothing about a generator"
    for field in real.scalars:
        column = fake.columns[field.name]
        if isinstance(field, Number) and not np.isfinite(column).any():
            yield f"{fake.name} holds no finite number in {field.name!r}"


_CACHE = FeatureCache()  # families of one contest are held against the same real images


def headline(evaluation: Evaluation) -> Score:
    """The one score that families are compared by: C2ST, for a judge sees whatever it can learn to see.

    Where there are too few records for it, the first of HEADLINES that is there.
    """
    for name in HEADLINES:
        if name in evaluation:
            return evaluation[name]
    raise DataError("nothing could be measured", hint="; ".join(evaluation.notes) or "give more records")
