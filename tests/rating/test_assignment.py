"""The design: balanced, blind, without a stimulus shown twice but in repeats, and a function of the seed."""

from collections import Counter
from itertools import combinations

import pytest

from genwright.errors import DataError
from genwright.rating.assignment import assign, blocks_for, contents, needed
from genwright.rating.protocol import OVERLAP, QUESTIONS, Protocol
from genwright.rating.records import ANSWERS, REAL

CASES = [
    (("a", "b"), ("preference",), 1, 10),
    (("a", "b", REAL), ("preference", "real or generated"), 4, 12),
    (("a", "b", "c", "d", REAL), QUESTIONS, 7, 20),
    (("a", REAL), ("real or generated", "coherence", "creativity"), 10, 1),
]


def plans(case, seed=0, blocks=None):
    systems, questions, raters, each = case
    made = Protocol(systems=systems, medium="image", questions=questions, raters=raters, per_question=each, seed=seed)
    return made, assign(made, blocks or -(-raters // OVERLAP))


def even(counts, slack=1):
    return max(counts) - min(counts) <= slack


@pytest.mark.parametrize("case", CASES)
def test_no_rater_meets_a_stimulus_twice_but_in_repeats(case):
    for plan in plans(case)[1]:
        met = Counter()
        for trial in plan:
            if trial.role == "rating" and (trial.kind != "scale" or trial.question == first_scale(plan)):
                met.update(trial.stimuli)
        assert max(met.values()) == 1


def first_scale(plan):
    return next(trial.question for trial in plan if trial.kind == "scale")


@pytest.mark.parametrize("case", CASES)
def test_each_question_is_asked_as_often_as_planned_of_all_systems_alike(case):
    protocol, lists = plans(case)
    for plan in lists:
        rated = [trial for trial in plan if trial.role == "rating"]
        assert Counter(trial.question for trial in rated) == dict.fromkeys(case[1], case[3])
        for question in case[1]:
            shown = Counter(
                tuple(sorted(system for system, _ in trial.stimuli)) for trial in rated if trial.question == question
            )
            wanted = Counter(tuple(sorted(each)) for each in contents(protocol, protocol.kind(question)))
            rounds = {each: shown[each] / n for each, n in wanted.items()}
            assert even(rounds.values())


@pytest.mark.parametrize("case", CASES[1:3])
def test_each_item_is_judged_equally_often_to_within_one(case):
    protocol, lists = plans(case)
    for kind in {trial.kind for trial in lists[0]}:
        judged = Counter(
            tuple(sorted(trial.stimuli))
            for plan in lists
            for trial in plan
            if trial.kind == kind and trial.role == "rating"
        )
        assert even(judged.values(), slack=len(protocol.scales) if kind == "scale" else 1)
        assert sum(judged.values()) % case[3] == 0


def test_systems_are_on_the_left_as_often_as_on_the_right():
    for plan in plans((("a", "b", "c"), ("preference",), 9, 30))[1]:
        for pair in combinations(("a", "b", "c"), 2):
            left = [t.stimuli[0][0] for t in plan if t.role == "rating" and {s for s, _ in t.stimuli} == set(pair)]
            assert len(left) == 10 and left.count(pair[0]) == 5


@pytest.mark.parametrize("case", CASES)
def test_repeats_swap_sides_far_apart_and_checks_have_an_answer(case):
    for plan in plans(case)[1]:
        repeats = [(i, trial) for i, trial in enumerate(plan) if trial.role == "repeat"]
        assert repeats and any(trial.role == "attention" for trial in plan)
        for i, trial in repeats:
            before = plan[trial.repeats]
            assert before.role == "rating" and before.question == trial.question
            assert trial.stimuli == before.stimuli[::-1]
            assert i - trial.repeats > case[3] // 3
        for trial in plan:
            if trial.role == "attention":
                assert trial.expected in ANSWERS[trial.kind] and trial.expected != "tie" and not trial.stimuli


def test_orders_differ_between_raters_and_follow_from_the_seed():
    case = CASES[1]
    first, again, other = plans(case)[1], plans(case)[1], plans(case, seed=1)[1]
    assert first == again and first != other
    assert len({tuple(map(repr, plan)) for plan in first}) == case[2]


def test_the_order_does_not_tell_the_system():
    positions = {"a": [], "b": []}
    for plan in plans((("a", "b"), ("coherence",), 60, 12))[1]:
        for i, trial in enumerate(plan):
            if trial.role == "rating":
                positions[trial.stimuli[0][0]].append(i)
    means = [sum(each) / len(each) for each in positions.values()]
    assert abs(means[0] - means[1]) < 1.0  # standard error 0.3


def test_few_stimuli_mean_fewer_shares_and_too_few_an_error_that_says_how_many():
    protocol, _ = plans((("a", "b"), ("preference",), 9, 10))
    assert needed(protocol, 1) == {"a": 10, "b": 10}
    assert blocks_for(protocol, Counter(a=30, b=99)) == 3
    assert blocks_for(protocol, Counter(a=29, b=99)) == 2
    with pytest.raises(DataError, match=r"a: 9 different stimuli, but each rater must see 10"):
        blocks_for(protocol, Counter(a=9, b=99))
