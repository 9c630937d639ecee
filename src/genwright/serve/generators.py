"""The routes of every kind: which generators there are, what each is, and records drawn from it."""

import json
import math
import secrets
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from genwright.data import media
from genwright.data.dataset import media_of
from genwright.model.generator import Generator
from genwright.serve.asked import Asked
from genwright.serve.formats import chosen, formats
from genwright.serve.given import conditions, settings
from genwright.serve.refusals import Refusal
from genwright.serve.turns import unless_gone
from genwright.train.progress import Listener

if TYPE_CHECKING:
    from fastapi import FastAPI

    from genwright.serve.service import Service

SEEDS = 2**53  # below it, whole numbers are exact in every reader of JSON
NOTES = 2000  # characters of notes in a header
MAX_GIVEN = 2**25  # of the longest text that is given, as often as there are records: tokens take 8 bytes


class Draw(Asked):
    """What is asked of `sample`."""

    n: Annotated[int, Field(ge=1)] = 1
    given: dict[str, Any] = {}
    how: dict[str, Any] = {}
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None


def add_generators(app: "FastAPI", service: "Service") -> None:
    """Add the routes below /v1/generators."""

    def all_generators() -> Any:
        return {"object": "list", "data": [summary(name, model) for name, model in service.models.items()]}

    def generator(request: Request, name: str) -> Any:
        return described(name, service.found(request, name))

    async def sample(request: Request, name: str, asked: Draw) -> Any:
        model = service.found(request, name)
        if asked.n > service.limits.records:
            raise Refusal(400, f"at most {service.limits.records:,} records at a time", param="n")
        offered = formats(type(media_of(model.fields)), asked.n)
        kind = chosen(request.headers.get("accept", "*/*"), list(offered))
        seed = secrets.randbelow(SEEDS) if asked.seed is None else asked.seed
        given, how = conditions(asked.given), service.limits.checked(settings(asked.how))
        if asked.n * _longest(asked.given) > MAX_GIVEN:
            raise Refusal(400, f"{asked.n:,} records are too many of so long a text", param="given")

        def drawn(listener: Listener) -> tuple[bytes, tuple[str, ...]]:
            found = model.sample(asked.n, given=given, how=how, seed=seed, listener=listener)
            return offered[kind](found, {"n": asked.n, "seed": seed, "notes": list(found.notes)}), found.notes

        raw, notes = await unless_gone(request, service.turns.take(drawn))
        service.metrics.records.add(asked.n, name)
        told = {"genwright-seed": str(seed)} | ({"genwright-notes": json.dumps(notes)[:NOTES]} if notes else {})
        return Response(raw, media_type=kind, headers=told)

    for path, handler, method in (
        ("/v1/generators", all_generators, "GET"),
        ("/v1/generators/{name}", generator, "GET"),
        ("/v1/generators/{name}/sample", sample, "POST"),
    ):
        app.add_api_route(path, handler, methods=[method], response_model=None)


def summary(name: str, model: Generator) -> dict[str, Any]:
    """A generator in one line."""
    kind = type(media_of(model.fields))
    things = media.KINDS[kind].many
    return {"object": "generator", "name": name, "draws": things, "family": model.family.name}


def described(name: str, model: Generator) -> dict[str, Any]:
    """A generator with its fields, what can be asked of it, and the facts of its card."""
    can, record = model.can, model.record
    facts = {key: record[key] for key in ("seconds", "parameters") if key in record}
    told = {key: value for key, value in record.get("data", {}).items() if key in ("rows", "split", "label")}
    private = record.get("privacy")
    return summary(name, model) | {
        "fields": [_field(each) for each in model.fields],
        "formats": [each.partition(";")[0] for each in formats(type(media_of(model.fields)), 1)],
        "can": {"density": can.density.value, "given": can.given.value, "how": list(can.how)},
        "how": model.how.to_json(),
        "training": told | facts,
        "privacy": {"epsilon": private["epsilon"], "delta": private["delta"]} if private else None,
    }


def _field(field: Any) -> dict[str, Any]:
    values = {each.name: getattr(field, each.name) for each in fields(field) if each.name != "storage"}
    finite = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in values.items()}
    return {"name": field.name, "kind": type(field).__name__.lower(), **finite}


def _longest(given: Any) -> int:
    """Characters of the longest text in it."""
    if isinstance(given, str):
        return len(given)
    parts = given.values() if isinstance(given, dict) else given if isinstance(given, list) else ()
    return max(map(_longest, parts), default=0)
