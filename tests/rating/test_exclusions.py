"""Rules fixed before the study: each leaves out whom it should, for the reason it says, and nobody else."""

import pytest

from genwright.errors import StorageError
from genwright.rating.exclusions import RULES, Rules, exclusions, kept, repeats
from tests.rating.simulated import Builder

PAIR = {"kind": "pair", "question": "preference"}


def built() -> Builder:
    """Three raters, twelve ordinary preferences each, sides in turn."""
    builder = Builder({"a": 0.0, "b": 0.0}, raters=3)
    left, right = builder.stimuli[0].id, builder.stimuli[-1].id
    for rater in builder.raters:
        for i in range(12):
            builder.add({**PAIR, "rater": rater, "left": left, "right": right}, ("left", "right")[i % 2])
    return builder


def attention(builder: Builder, rater: str, *, passed: bool) -> None:
    shown = builder.stimuli[0].id
    trial = {**PAIR, "rater": rater, "left": shown, "right": shown, "role": "attention", "expected": "left"}
    builder.add(trial, "left" if passed else "right")


def test_nobody_is_left_out_without_reason():
    found = exclusions(built().study())
    assert not found.raters and not found.answers
    assert set(found.counts()) == {*RULES, "answers too fast"} and not any(found.counts().values())


def test_failed_attention_checks():
    builder = built()
    for rater, failures in zip(builder.raters, (0, 1, 2)):
        for i in range(3):
            attention(builder, rater, passed=i >= failures)
    assert exclusions(builder.study()).raters == {"r002": ("failed attention checks",)}
    strict = exclusions(builder.study(exclusions={"max_failed_attention": 0}))
    assert set(strict.raters) == {"r001", "r002"}


def test_too_fast_answers_and_raters():
    builder = built()
    trial = {**PAIR, "left": builder.stimuli[0].id, "right": builder.stimuli[-1].id}
    one = builder.add({**trial, "rater": "r000"}, "left", seconds=0.2)
    for _ in range(3):
        builder.add({**trial, "rater": "r001"}, "left", seconds=0.2)
    study = builder.study()
    found = exclusions(study)
    assert found.raters == {"r001": ("too many answers too fast",)}
    assert found.answers == (one.id,)
    left = kept(study, found)
    assert {rater.id for rater in left.raters} == {"r000", "r002"}
    assert len(left.ratings) == 24 and one.id not in {rating.trial for rating in left.ratings}
    assert not {trial.rater for trial in left.trials} & {"r001"}
    assert len(exclusions(builder.study(minimum_seconds=4.0)).raters) == 3


def test_always_one_side():
    builder = Builder({"a": 0.0, "b": 0.0}, raters=3)
    trial = {**PAIR, "left": builder.stimuli[0].id, "right": builder.stimuli[-1].id}
    for rater, lefts in zip(builder.raters, (12, 11, 10)):
        for i in range(12):
            builder.add({**trial, "rater": rater}, "left" if i < lefts else "right")
        builder.add({**trial, "rater": rater}, "tie")
    assert exclusions(builder.study()).raters == {"r000": ("always one side",)}
    few = exclusions(builder.study(exclusions={"least_choices": 13}))
    assert not few.raters


def test_inconsistent_repeats_whichever_side_things_stand_on():
    builder = built()
    firsts = {rater: [t for t in builder.trials if t.rater == rater][:4] for rater in builder.raters}
    answers = {rating.trial: rating.answer for rating in builder.ratings}
    swapped = {"left": "right", "right": "left"}
    for rater, same in zip(builder.raters, (4, 2, 1)):
        for i, first in enumerate(firsts[rater]):
            again = {"left": first.right, "right": first.left, "role": "repeat", "repeats": first.id}
            given = answers[first.id]
            builder.add({**PAIR, "rater": rater, **again}, swapped[given] if i < same else given)
    assert not exclusions(builder.study()).raters  # four repeats say little
    study = builder.study(exclusions={"least_repeats": 4, "min_repeat_agreement": 0.4})
    assert sum(agree for _, agree in repeats(study)) == 7
    assert exclusions(study).raters == {"r002": ("inconsistent on repeats",)}


def test_scales_repeat_within_a_point():
    builder = Builder({"a": 0.0}, raters=1)
    scale = {"rater": "r000", "kind": "scale", "question": "coherence", "left": builder.stimuli[0].id}
    first = builder.add(scale, "4")
    for answer in ("4", "5", "6"):
        builder.add({**scale, "role": "repeat", "repeats": first.id}, answer)
    assert [agree for _, agree in repeats(builder.study())] == [True, True, False]


def test_rules_are_those_of_the_protocol():
    assert Rules.of({}) == Rules()
    assert Rules.of({"exclusions": Rules(seconds=2.0).to_json()}) == Rules(seconds=2.0)
    with pytest.raises(StorageError, match="'speed' is unknown"):
        Rules.of({"exclusions": {"speed": 1}})
