"""The protocol: what it refuses, and that it comes back from its JSON as it was."""

import json
from dataclasses import replace

import pytest

from genwright.errors import ArgumentError, StorageError
from genwright.rating.protocol import QUESTIONS, WORDINGS, Protocol, questions_named
from genwright.rating.records import REAL


def protocol(**changes) -> Protocol:
    given = {
        "systems": ("a", "b", REAL),
        "medium": "image",
        "questions": ("preference",),
        "raters": 3,
        "per_question": 8,
        "seed": 0,
    }
    return Protocol(**{**given, **changes})


def test_every_question_is_worded_and_scales_have_anchors_at_both_ends_and_the_middle():
    assert set(WORDINGS) == set(QUESTIONS) and len(QUESTIONS) == 8
    for wording in WORDINGS.values():
        assert wording.prompt.endswith("?")
        assert all(wording.anchors) == (wording.kind == "scale")


def test_json_and_back():
    one = replace(
        protocol(questions=QUESTIONS, exposure_seconds=0.5), preparation=("cut",), exclusions={"seconds": 1.0}
    )
    assert Protocol.from_json(json.loads(json.dumps(one.to_json())), where="here") == one


@pytest.mark.parametrize("value", [[], {}, {"schema": 2}, {"schema": 1}, {"schema": 1, "systems": ["a"], "x": 1}])
def test_a_damaged_protocol_is_a_storage_error(value):
    with pytest.raises(StorageError):
        Protocol.from_json(value, where="protocol.json")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"questions": ()}, "no question"),
        ({"raters": 0}, "at least 1"),
        ({"per_question": 0}, "at least 1"),
        ({"minimum_seconds": -1.0}, "between 0 and 60"),
        ({"systems": ("a",)}, "needs two systems"),
        ({"systems": ("a", "b"), "questions": ("real or generated",)}, "--real"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes, told):
    with pytest.raises(ArgumentError, match=told):
        protocol(**changes)


def test_questions_by_their_beginnings():
    assert questions_named("pref,real,tech") == ("preference", "real or generated", "technical competence")
    assert questions_named("all") == QUESTIONS
    for unclear in ("c", "", "beauty"):
        with pytest.raises(ArgumentError, match="no question called"):
            questions_named(unclear)


def test_the_consent_text_names_what_is_shown_and_one_s_own_comes_first():
    assert protocol(medium="image").consent_text.startswith("You will be shown pictures and asked")
    assert "withdraw" in protocol(medium="audio").consent_text and "{" not in protocol(medium="audio").consent_text
    assert protocol(consent="Yes?").consent_text == "Yes?"
