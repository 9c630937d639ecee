"""Grammars: whatever the model, what it writes follows them, and is complete within its tokens."""

import json
import random
import re

import jsonschema
import pytest
from tests.model.test_streaming import rough, written

import genwright as gw
from genwright.codecs.tokenizers import BPE, Bytes
from genwright.errors import ArgumentError
from genwright.families.sampling import Sampling
from genwright.model.grammars import Constraint
from genwright.model.streaming import prompt

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "ünder"]}, "minItems": 2},
        "home": {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
NODE = {
    "type": "object",
    "properties": {"of": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
    "required": ["of"],
}
TREE = {"$defs": {"node": NODE}, "$ref": "#/$defs/node"}


def texts(model, how: Sampling, many: int) -> list[tuple[str, int, str]]:
    found = written(model, [prompt(model, "", how=how, seed=seed) for seed in range(many)])
    return [(text, len(tokens), end) for text, tokens, _, end in found]


@pytest.mark.parametrize("most", [44, 90])
def test_objects_are_complete_at_every_limit(most):
    for text, tokens, _ in texts(rough(), Sampling(grammar=PERSON, max_tokens=most), 4):
        told = json.loads(text)
        assert tokens <= most and {"name", "age", "tags"} <= set(told) <= {*PERSON["properties"]}
        assert len(told["name"]) >= 2 and 0 <= told["age"] <= 120
        assert len(told["tags"]) >= 2 and set(told["tags"]) <= {"red", "green", "ünder"}


def test_nested_objects_are_closed_in_time():
    for text, tokens, _ in texts(rough(), Sampling(grammar=TREE, max_tokens=30), 4):
        assert set(json.loads(text)) >= {"of"} and tokens <= 30


@pytest.mark.parametrize("pattern", ["[a-c]{3,}", "^(foo|bar){2}-[0-9]{4}$", "x*yz*", "[a-z]*z", "ä+€?"])
def test_regular_expressions_match_the_whole_text(pattern):
    for text, tokens, _ in texts(rough(), Sampling(grammar=pattern, max_tokens=15), 3):
        assert re.fullmatch(pattern, text) and tokens <= 15


def test_rules_of_lark():
    grammar = 'start: "(" inner ")"\ninner: start | /[0-9]+/'
    for text, _, _ in texts(rough(), Sampling(grammar=grammar, max_tokens=12, temperature=2.0), 3):
        assert re.fullmatch(r"(\(+)\d+(\)+)", text) and text.count("(") == text.count(")")


def test_tokens_of_several_bytes():
    tokenizer = BPE.trained([json.dumps({"name": "some name", "age": 31}).encode()] * 50, vocabulary=280)
    constraint = Constraint(PERSON, tokenizer, most=60)
    proposed, left, out = tokenizer.encode(b'{"name":"name name name name'), 60, []
    for token in [*proposed, *[tokenizer.encode(b"n")[0]] * 60]:
        out.append(constraint.take(int(token), left))
        left -= 1
        if constraint.complete:
            break
    assert json.loads(tokenizer.decode(out)) and left >= 0 and out[: len(proposed)] == proposed.tolist()


def test_grammars_that_cannot_be_followed_are_refused_by_name():
    wrong = {
        '{"type": "strin"}': "Invalid type",
        '{"type": "integer", "minimum": 5, "maximum": 3}': "minimum",
        '{"type": "object", "required": ["a"], "properties": {"a": false}}': "unsatisfiable",
        '{"type": ': "not JSON",
        "[a-z": "regular expression",
        'start: "a" nothing': "unknown name",
    }
    for grammar, what in wrong.items():
        with pytest.raises(ArgumentError, match=what) as refused:
            Constraint(grammar, Bytes(), most=50)
        assert refused.value.where == "grammar"
    with pytest.raises(ArgumentError, match="at most 30 tokens"):
        Constraint(PERSON, Bytes(), most=30)
    with pytest.raises(ArgumentError, match="grammar is empty"):
        Sampling(grammar="")


def test_records_of_a_model_follow_a_grammar():
    model = rough()
    found = model.sample(3, given={"text": "a = "}, how=gw.Sampling(grammar="[0-9]{2,4}", max_tokens=5))
    assert all(re.fullmatch(r"a = [0-9]{2,4}", text) for text in found.columns["text"])


def schema(rng: random.Random, depth: int = 3) -> dict:
    """A random JSON schema that something satisfies."""
    kind = rng.choice(["string", "integer", "number", "boolean", "enum", "pattern", *["object", "array"] * (depth > 0)])
    if kind == "object":
        names = rng.sample(["a", "bb", "größe", "name", "x y", "_"], rng.randint(0, 4))
        own = {name: schema(rng, depth - 1) for name in names}
        required = [name for name in names if rng.random() < 0.7]
        return {"type": "object", "properties": own, "required": required, "additionalProperties": False}
    if kind == "array":
        least = rng.randint(0, 3)
        return {
            "type": "array",
            "items": schema(rng, depth - 1),
            "minItems": least,
            "maxItems": least + rng.randint(0, 3),
        }
    if kind == "string":
        return {"type": "string", "minLength": rng.randint(0, 4)}
    if kind == "integer":
        return {"type": "integer", "minimum": rng.randint(-1000, 0), "maximum": rng.randint(1, 10_000)}
    if kind == "enum":
        return {"enum": rng.sample(["one", "two", 3, None, True, 1.5], 3)}
    if kind == "pattern":
        return {"type": "string", "pattern": rng.choice(["^[a-z]{2,5}$", "^[0-9]{3}-[0-9]{2}$", "^(ja|nein)$"])}
    return {"type": kind}


def check_schemas(many: int) -> None:
    """Random schemas with few tokens and many, half of them guessing: every text is valid."""
    rng, model = random.Random(0), rough()
    prompts, schemas = [], []
    for seed in range(many):
        told = schema(rng)
        least = len(Constraint(told, Bytes(), most=2000)._way)
        how = Sampling(grammar=told, max_tokens=max(1, least + rng.choice([0, 3, 40])), speculate=rng.choice([None, 3]))
        prompts.append(prompt(model, "", how=how, seed=seed))
        schemas.append(told)
    for told, (text, tokens, _, _), each in zip(schemas, written(model, prompts, slots=32), prompts, strict=True):
        jsonschema.validate(json.loads(text), told)
        assert len(tokens) <= each.how.max_tokens


def test_random_schemas_are_followed_at_the_limit():
    check_schemas(12)


@pytest.mark.slow
def test_a_thousand_schemas_are_followed_at_the_limit():
    check_schemas(1000)
