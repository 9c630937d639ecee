"""The service for every kind: what it answers, in which format, and what it refuses, with which words."""

import base64
import io
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import genwright as gw
from genwright.codecs.text import Infill
from genwright.data.media import KINDS
from genwright.errors import ArgumentError, TrainingError
from genwright.serve import generators
from genwright.serve.formats import TYPES, formats
from genwright.serve.generators import described
from genwright.serve.given import conditions
from genwright.serve.metrics import SECONDS
from genwright.serve.service import Limits, Service, application
from genwright.serve.tokens import caller_of, read_tokens
from tests.rating.conftest import call

SECRET = "a-token-of-some-length"


@pytest.fixture(scope="module")
def models():
    """One generator of each kind."""
    prose = gw.Dataset((gw.data.dataset.Text("text"),), {"text": np.array(["a river", "a stone"] * 20, dtype=object)})
    return {
        "wine": gw.fit(gw.read("wine"), family=gw.Mixture(components=2), steps=2),
        "digits": gw.fit(gw.read("digits"), family=gw.Mixture(components=2), steps=2),
        "prose": gw.fit(prose, family=gw.Autoregressive(), steps=1),
    }


@pytest.fixture
def log():
    return []


@pytest.fixture
def served(models, log):
    service = Service(models=models, limits=Limits(records=50, bytes=4096), log=log.append)
    yield application(service)
    service.close()


def asked(app, path, value=None, **how):
    """A request and what its answer holds: status, headers, JSON."""
    status, headers, body = call(app, "GET" if value is None else "POST", path, value, **how)
    return status, headers, json.loads(body)


def sampled(app, name, value, *, accept="*/*"):
    status, headers, body = call(app, "POST", f"/v1/generators/{name}/sample", value, accept=accept)
    assert status == 200, body
    return headers[b"content-type"].decode().partition(";")[0], headers, body


def test_generators_are_listed_and_described(served, models):
    listed = asked(served, "/v1/generators")[2]["data"]
    assert [(each["name"], each["draws"]) for each in listed] == [
        ("wine", "rows"),
        ("digits", "images"),
        ("prose", "texts"),
    ]
    wine = asked(served, "/v1/generators/wine")[2]
    assert [each["name"] for each in wine["fields"]] == [field.name for field in models["wine"].fields]
    assert wine["fields"][-1]["levels"] == ["class_0", "class_1", "class_2"] and wine["can"]["density"] == "exact"
    assert wine["training"]["split"] == {"train": 142, "valid": 18, "test": 18} and wine["privacy"] is None
    assert asked(served, "/v1/generators/digits")[2]["formats"] == ["image/png", "application/zip", "application/json"]


def test_a_checkpoint_of_others_is_described_by_what_is_known_of_it(models):
    told = described("other", replace(models["prose"], record={"parameters": 5, "checkpoint": "Qwen3"}))
    assert told["training"] == {"parameters": 5} and told["draws"] == "texts"


def test_a_table_comes_as_it_is_sampled_in_every_format(served, models):
    asked_for = {"n": 5, "seed": 3, "given": {"class": "class_1"}}
    expected = models["wine"].sample(5, given={"class": "class_1"}, seed=3)
    kind, headers, raw = sampled(served, "wine", asked_for)
    assert kind == "text/csv" and headers[b"genwright-seed"] == b"3"
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(raw)), expected.frame, check_dtype=False)
    kind, _, raw = sampled(served, "wine", asked_for, accept="text/html, application/json;q=0.9")
    told = json.loads(raw)
    assert kind == "application/json" and (told["n"], told["seed"]) == (5, 3)
    assert [each["alcohol"] for each in told["records"]] == expected.columns["alcohol"].tolist()
    kind, _, raw = sampled(served, "wine", asked_for, accept="application/vnd.apache.parquet")
    assert pd.read_parquet(io.BytesIO(raw))["alcohol"].tolist() == expected.columns["alcohol"].tolist()


def test_conditions_are_ranges_sets_shares_and_lists(served):
    given = {"alcohol": {"between": [12, 12.5]}, "class": {"one_of": ["class_0", "class_1"]}}
    records = json.loads(sampled(served, "wine", {"n": 20, "given": given}, accept="application/json")[2])["records"]
    assert all(12 <= each["alcohol"] <= 12.5 and each["class"] != "class_2" for each in records)
    given = {"class": {"shares": {"class_0": 0.5, "class_2": 0.5}}}
    records = json.loads(sampled(served, "wine", {"n": 20, "given": given}, accept="application/json")[2])["records"]
    assert sorted(each["class"] for each in records) == ["class_0"] * 10 + ["class_2"] * 10
    assert conditions({"text": {"infill": ["a", "b"]}}) == {"text": Infill("a", "b")}
    given = {"class": ["class_2", "class_0"]}
    records = json.loads(sampled(served, "wine", {"n": 2, "given": given}, accept="application/json")[2])["records"]
    assert [each["class"] for each in records] == ["class_2", "class_0"]


def test_images_come_as_a_png_as_a_zip_or_in_base64(served, models):
    pixels = models["digits"].sample(3, given={"label": 7}, seed=1).columns["image"]
    kind, _, raw = sampled(served, "digits", {"seed": 1, "given": {"label": 7}})
    assert kind == "image/png" and Image.open(io.BytesIO(raw)).size == (8, 8)
    kind, _, raw = sampled(served, "digits", {"n": 3, "seed": 1, "given": {"label": 7}})
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert kind == "application/zip" and sorted(archive.namelist())[:2] == ["00000.png", "00001.png"]
        assert archive.read("labels.csv").count(b",7") == 3
        second = archive.read("00001.png")
    _, _, raw = sampled(served, "digits", {"n": 3, "seed": 1, "given": {"label": 7}}, accept="application/json")
    records = json.loads(raw)["records"]
    assert base64.b64decode(records[1]["image"]) == second and records[1]["label"] == 7
    shown = np.asarray(Image.open(io.BytesIO(second)))
    assert np.array_equal(np.rint(shown / 255 * 16), pixels[1, :, :, 0])


def test_texts_come_as_lines_of_json(served, models):
    expected = models["prose"].sample(2, given={"text": "a "}, how=gw.Sampling(temperature=0.5), seed=2)
    kind, _, raw = sampled(served, "prose", {"n": 2, "seed": 2, "given": {"text": "a "}, "how": {"temperature": 0.5}})
    assert kind == "application/x-ndjson"
    assert [json.loads(line)["text"] for line in raw.splitlines()] == expected.columns["text"].tolist()


def test_without_a_seed_answers_differ_and_tell_theirs(served):
    (_, first, one), (_, second, two) = (sampled(served, "wine", {"n": 3}) for _ in range(2))
    assert one != two and first[b"genwright-seed"] != second[b"genwright-seed"]
    assert sampled(served, "wine", {"n": 3, "seed": int(first[b"genwright-seed"])})[2] == one


def test_every_kind_has_a_type_for_each_of_its_formats():
    for kind, line in KINDS.items():
        assert set(line.formats) <= set(TYPES) and len(formats(kind, 2)) >= 2


@pytest.mark.parametrize(
    ("path", "value", "status", "told"),
    [
        ("nothing", {}, 404, "there is no model 'nothing' here"),
        ("wine", {"n": 0}, 400, "n: Input should be greater than or equal to 1"),
        ("wine", {"n": "3"}, 400, "n: Input should be a valid integer"),
        ("wine", {"n": 51}, 400, "at most 50 records at a time"),
        ("wine", {"number": 3}, 400, "number: there is no such parameter here"),
        ("wine", {"seed": -1}, 400, "seed: Input should be greater than or equal to 0"),
        ("wine", {"given": {"colour": "red"}}, 400, "colour"),
        ("wine", {"given": {"class": "class_9"}}, 400, "class_9"),
        ("wine", {"given": {"class": {"between": [1]}}}, 400, "this is no condition"),
        ("wine", {"given": {"class": {"shares": {"class_0": 2}}}}, 400, "the shares add up to 2, not 1"),
        ("wine", {"given": {"class": {"one_of": [{}]}}}, 400, "this is no condition"),
        ("wine", {"how": {"temperature": -1}}, 400, "temperature must be a number from 0"),
        ("wine", {"how": {"speed": 9}}, 400, "'speed' is unknown"),
        ("digits", {"how": {"sampler": "heun"}}, 400, "has no sampler"),
        ("prose", {"given": {"text": "a" * 999}}, 400, "does not fit into the"),
        ("prose", {"n": 50, "given": {"text": "a" * 3000}}, 400, "50 records are too many of so long a text"),
        ("prose", {"how": {"max_tokens": 10**9}}, 400, "at most 4,096 tokens"),
        ("prose", {"how": {"beams": 10**9}}, 400, "at most 16 beams"),
        ("wine", [], 400, "Input should be a valid dictionary"),
    ],
)
def test_what_cannot_be_drawn_is_told_exactly(served, monkeypatch, path, value, status, told):
    monkeypatch.setattr(generators, "MAX_GIVEN", 100_000)
    found, _, body = asked(served, f"/v1/generators/{path}/sample", value)
    assert found == status and told in body["error"]["message"], body
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{not json", {}, 400),
        (b"[" * 3000, {}, 400),
        (b'{"n": ' + b"9" * 4000 + b"}", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b'{"n": NaN}', {}, 400),
        (b'{"given": {"\\ud800": 1}}', {}, 400),
        (b"{}", {"content_type": "text/plain"}, 415),
        (b"{}", {"content_length": "999999"}, 413),
        (b"{" * 9000, {"content_length": "10"}, 413),
        (b"{}", {"host": "evil.example"}, 421),
        (b"{}", {"origin": "http://evil.example"}, 403),
        (b"{}", {"accept": "text/html"}, 406),
    ],
)
def test_malformed_requests_are_refused_without_an_echo(models, body, headers, status):
    app = application(Service(models=models, limits=Limits(bytes=8192), names=frozenset(["localhost"])))
    found, answered, told = call(app, "POST", "/v1/generators/wine/sample", body=body, **headers)
    assert found == status and json.loads(told)["error"]["message"] and len(told) < 400
    assert b"access-control-allow-origin" not in answered and answered[b"x-request-id"].startswith(b"req-")


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/generators/../wine", "/v1/generators/wine/recipe.json", "/docs"])
def test_there_is_nothing_else_to_see(served, path):
    status, _, body = call(served, "GET", path)
    assert status == 404 and json.loads(body)["error"]["message"] in (
        "there is nothing here",
        "there is no model '..' here",
    )


def test_a_failure_of_ours_says_nothing_and_logs_under_the_id_of_the_request(models, log, monkeypatch):
    app = application(Service(models=models, log=log.append))
    for failure in (RuntimeError("at /home/someone/model"), TrainingError("in /home/someone/model")):

        def failing(*arguments, failure=failure, **more):
            raise failure

        monkeypatch.setattr(gw.Generator, "sample", failing)
        log.clear()
        status, headers, body = call(app, "POST", "/v1/generators/wine/sample", {})
        assert status == 500 and b"someone" not in body and b"Traceback" not in body
        assert any(headers[b"x-request-id"].decode() in line and "someone" in line for line in log)


def test_tokens_are_wanted_everywhere_but_for_health(models):
    app = application(Service(models=models, tokens={"token-1": caller_hash(SECRET)}))
    for path in ("/health", "/health/live", "/health/ready"):
        assert call(app, "GET", path)[0] == 200
    for path in ("/v1/generators", "/metrics", "/v1/generators/wine", "/nowhere"):
        for token in ("", "wrong", SECRET[:-1], SECRET + "x"):
            status, headers, body = call(app, "GET", path, token=token)
            assert status == 401 and json.loads(body)["error"]["type"] == "authentication_error"
            assert headers[b"www-authenticate"] == b"Bearer"
        assert call(app, "GET", path, token=SECRET, host="any.example")[0] in (200, 404)


def caller_hash(token):
    from genwright.serve.tokens import _hash

    return _hash(token)


def test_tokens_are_read_from_a_file(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# ours\n{SECRET}  # ann\n\n{SECRET[::-1]}\n")
    caller = caller_of(read_tokens(path))
    assert (caller(SECRET), caller(SECRET[::-1]), caller("other")) == ("token-2", "token-4", None)
    for text, told in (("", "no token"), ("short", "line 1"), ("two words of a token", "line 1"), ("ü" * 20, "line 1")):
        path.write_text(text)
        with pytest.raises(ArgumentError, match=told):
            read_tokens(path)
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_tokens(tmp_path / "nowhere")


def test_metrics_count_what_was_asked_in_the_format_of_prometheus(served, log):
    sampled(served, "wine", {"n": 7})
    call(served, "POST", "/v1/generators/wine/sample", {"n": -1})
    call(served, "GET", "/v1/generators/absent\n\x1b[31m")
    raw = call(served, "GET", "/metrics")[2].decode()
    line = re.compile(r'[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? [0-9.e+]+|# (HELP|TYPE) [a-z_]+ .+')
    assert raw.endswith("\n") and all(line.fullmatch(each) for each in raw.splitlines())
    route = 'route="/v1/generators/{name}/sample",model="wine"'
    assert f'genwright_requests_total{{{route},status="200"}} 1' in raw
    assert 'genwright_refusals_total{status="400"} 1' in raw and 'genwright_records_total{model="wine"} 7' in raw
    counts = [int(n) for n in re.findall(r'seconds_bucket\{route="/v1/generators/\{name\}/sample",le=.*\} (\d+)', raw)]
    assert len(counts) == len(SECONDS) + 1 and counts == sorted(counts) and counts[-1] == 2
    assert float(re.search(r"^process_resident_memory_bytes (\S+)", raw, re.MULTILINE)[1]) > 2e7
    assert len(log) == 3 and all(each.isprintable() for each in log) and re.search(r" 200 [0-9.]+ ms wine$", log[0])


def test_what_stops_is_not_ready(models):
    service = Service(models=models)
    app = application(service)
    assert call(app, "GET", "/health/ready")[0] == 200
    service.stopping.set()
    assert call(app, "GET", "/health/ready")[0] == 503 and call(app, "GET", "/health/live")[0] == 200
