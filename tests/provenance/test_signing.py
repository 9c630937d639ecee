"""Files that are signed: by whom, whether they were changed, and what strangers' files cannot do."""

import datetime
import json
import os
import random
import stat
import sys

import pytest
from click.testing import CliRunner

import genwright as gw
from genwright.app.cli import main
from genwright.provenance import keys as keys_module
from genwright.provenance.claims import Maker
from genwright.provenance.envelope import sealed
from genwright.provenance.keys import Keys
from genwright.provenance.media import signed
from genwright.provenance.signing import Signing
from genwright.provenance.verify import origin_in, verify
from tests.provenance.c2pa_reader import check_png


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys.make(tmp_path_factory.mktemp("own") / "keys", organisation="Example Hospital")


@pytest.fixture(scope="module")
def model():
    return gw.fit(gw.read("wine"), family=gw.Mixture(components=4), steps=20)


@pytest.fixture(scope="module")
def files(keys, model, tmp_path_factory):
    """A table and pictures, signed."""
    folder, sign = tmp_path_factory.mktemp("files"), Signing(keys, Maker(recipe="a" * 64, card="b" * 64))
    gw.write(model.sample(20, seed=7).take(slice(3, 9)), folder / "fake.csv", signer=sign)
    gw.write(gw.read("digits").take(slice(0, 3)), folder / "digits", signer=sign)
    return folder


def trusted(keys):
    return keys.folder / "ca.pem"


def test_secrets_are_for_their_owner_alone_and_what_others_may_read_is_refused(keys, tmp_path):
    secret = {path.name for path in keys.folder.iterdir() if stat.S_IMODE(path.stat().st_mode) == 0o600}
    assert secret == {"ca.key", "ed25519.key", "es256.key", "mark.key"}
    with pytest.raises(gw.ArgumentError, match="already something"):
        Keys.make(keys.folder)
    own = Keys.make(tmp_path / "keys").folder
    os.chmod(own / "es256.key", 0o644)
    with pytest.raises(gw.StorageError, match="others may read") as found:
        Keys.load(own)
    assert "chmod 600" in found.value.hint
    os.chmod(own / "es256.key", 0o600)
    (own / "mark.key").write_text("00" * 32)
    with pytest.raises(gw.StorageError, match="not 32 random bytes"):
        Keys.load(own)
    (own / "mark.key").write_bytes((keys.folder / "mark.key").read_bytes())
    (own / "ed25519.key").write_bytes((keys.folder / "ed25519.key").read_bytes())
    with pytest.raises(gw.StorageError, match="not the private key"):
        Keys.load(own)


def test_an_independent_reader_finds_the_signature_and_every_claim(keys, files):
    raw = (files / "digits" / "00000.png").read_bytes()
    found = check_png(raw, keys.authority)
    assert len(found) == 4  # all of them in the name of the signer
    [action] = found["c2pa.actions.v2"]["actions"]
    assert action["action"] == "c2pa.created" and action["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    wishes = found["cawg.training-mining"]["entries"]
    assert len(wishes) == 4 and {each["use"] for each in wishes.values()} == {"notAllowed"}
    assert found["org.genwright.made"] == {"recipe": "a" * 64, "card": "b" * 64}
    picture = raw.index(b"IDAT") + 6
    with pytest.raises(AssertionError, match="changed"):
        check_png(raw[:picture] + bytes([raw[picture] ^ 1]) + raw[picture + 1 :], keys.authority)


def test_a_signature_is_small_and_has_no_picture_in_it(keys, files, tmp_path):
    plain = tmp_path / "plain"
    gw.write(gw.read("digits").take(slice(0, 3)), plain)
    for path in sorted(plain.glob("*.png")):
        assert 0 < (files / "digits" / path.name).stat().st_size - path.stat().st_size <= 4096
    assert (files / "fake.csv.sig.json").stat().st_size <= 4096


def test_signed_folders_read_as_before_and_unsigned_files_keep_no_old_signature(files, model, tmp_path):
    again = gw.read(files / "digits")
    assert again.notes == () and (again.columns["image"] == gw.read("digits").columns["image"][:3]).all()
    path = tmp_path / "fake.csv"
    path.with_name("fake.csv.sig.json").write_text("{}")
    gw.write(model.sample(3), path)
    assert [each.name for each in tmp_path.iterdir()] == ["fake.csv"]


@pytest.mark.parametrize("name", ["fake.csv", "digits/00001.png", "digits/labels.csv"])
def test_verify_tells_who_signed_and_whom_to_believe(keys, files, name, tmp_path):
    found = verify(files / name, trust=trusted(keys))
    assert (found.signed, found.intact, found.signer, found.exit_code) == (True, True, "Example Hospital", 0)
    assert found.notes == () and found.claims["recipe"] == "a" * 64
    anyone = verify(files / name)
    assert anyone.exit_code == 0 and "any name" in anyone.notes[0]
    other = Keys.make(tmp_path / "other", organisation="Example Hospital")  # the same name, and someone else
    stranger = verify(files / name, trust=trusted(other))
    assert (stranger.signed, stranger.signer, stranger.exit_code) == (False, None, 1)


def outside(raw: bytes) -> list[int]:
    """Places of a PNG that its manifest does not take."""
    start = raw.index(b"caBX") - 4
    stop = start + 12 + int.from_bytes(raw[start : start + 4], "big")
    return [*range(start), *range(stop, len(raw))]


def test_changed_bytes_are_found(keys, files, tmp_path):
    path, rng = tmp_path / "a.png", random.Random(0)
    raw = (files / "digits" / "00000.png").read_bytes()
    for place in rng.sample(outside(raw), 100):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ rng.randrange(1, 256)]) + raw[place + 1 :])
        assert verify(path, trust=trusted(keys)).exit_code == 1, place
    table, beside = tmp_path / "fake.csv", tmp_path / "fake.csv.sig.json"
    raw, beside_raw = (files / "fake.csv").read_bytes(), (files / "fake.csv.sig.json").read_bytes()
    beside.write_bytes(beside_raw)
    for place in rng.sample(range(len(raw)), 100):
        table.write_bytes(raw[:place] + bytes([raw[place] ^ rng.randrange(1, 256)]) + raw[place + 1 :])
        found = verify(table, trust=trusted(keys))
        assert found.intact is False and found.exit_code == 1
    table.write_bytes(raw)
    told = json.loads(beside_raw)
    told["payload"] = told["payload"][:40] + ("A" if told["payload"][40] != "A" else "B") + told["payload"][41:]
    beside.write_text(json.dumps(told))
    assert verify(table).exit_code == 1


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """Cut, spliced or overwritten at random."""
    at = rng.randrange(len(raw))
    match rng.randrange(3):
        case 0:
            return raw[:at]
        case 1:
            return raw[:at] + raw[rng.randrange(len(raw)) :][: rng.randrange(400)] + raw[at:]
    return bytes(rng.randrange(256) if rng.random() < 0.01 else byte for byte in raw)


def test_hostile_files_are_findings(keys, files, tmp_path):
    rng, table = random.Random(1), (files / "fake.csv").read_bytes()
    (tmp_path / "a.csv").write_bytes(table)
    png, envelope = (files / "digits" / "00000.png").read_bytes(), (files / "fake.csv.sig.json").read_bytes()
    for _ in range(80):
        suffix = rng.choice([".png", ".jpg", ".webp", ".wav", ".mp4", ".pdf", ".zip", ".svg"])
        (tmp_path / f"b{suffix}").write_bytes(mutated(png, rng))
        (tmp_path / "a.csv.sig.json").write_bytes(mutated(envelope, rng))
        for path in (tmp_path / f"b{suffix}", tmp_path / "a.csv"):
            assert verify(path, trust=trusted(keys)).exit_code in (0, 1, 8)
    for nested in ("[" * 100_000, '{"signatures": [1]}', '{"signatures": [{"cert": 1}]}', "null", "\xff"):
        (tmp_path / "a.csv.sig.json").write_text(nested, encoding="latin-1")
        assert verify(tmp_path / "a.csv").exit_code == 1
    os.mkfifo(tmp_path / "pipe.png")
    assert [verify(path).exit_code for path in (tmp_path / "pipe.png", tmp_path / "none.png", tmp_path)] == [8, 8, 8]


def test_certificates_that_have_ended_neither_sign_nor_vouch(tmp_path):
    old = Keys.make(tmp_path / "old", now=datetime.datetime(2010, 1, 1, tzinfo=datetime.UTC))
    with pytest.raises(gw.ArgumentError, match="does not hold today: valid from 2009-12-31 to 2020"):
        old.warning()
    soon = old.warning(datetime.datetime(2019, 11, 1, tzinfo=datetime.UTC))
    assert soon is not None and "end in 61 days" in soon
    (tmp_path / "a.csv").write_bytes(b"x\n1\n")
    (tmp_path / "a.csv.sig.json").write_bytes(sealed(b"x\n1\n", "a.csv", {}, old))
    found = verify(tmp_path / "a.csv", trust=trusted(old))
    assert found.exit_code == 8 and "does not hold now" in found.notes[0]


def test_the_command_line_from_keys_to_verify_and_back_to_the_records(model, tmp_path):
    def call(*words, code=0):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done

    model.save(tmp_path / "run")
    call("keys", "new", "--out", tmp_path / "keys", "--organisation", "Example")
    out = tmp_path / "fake.parquet"
    call("sample", tmp_path / "run", "-n", 9, "--seed", 5, "--out", out, "--keys", tmp_path / "keys")
    told = json.loads(call("verify", out, "--trust", tmp_path / "keys" / "ca.pem", "--json").stdout)
    assert {"signed", "signer", "intact", "marked", "p_value", "logged", "notes"} <= set(told)
    assert (told["signed"], told["signer"], told["intact"], told["marked"]) == (True, "Example", True, None)
    assert told["claims"]["origin"]["seed"] == 5 and len(told["claims"]["recipe"]) == 64
    call("reproduce", out, "--from", tmp_path / "run", "--out", tmp_path / "again.parquet", "--unsigned")
    assert (tmp_path / "again.parquet").read_bytes() == out.read_bytes()
    assert call("verify", tmp_path / "again.parquet", code=1).stdout.endswith("again.parquet: not signed\n")
    out.write_bytes(out.read_bytes() + b"\0")
    call("verify", out, tmp_path / "again.parquet", code=1)
    with pytest.raises(gw.DataError, match="changed since"):
        origin_in(out)
    assert call("sample", tmp_path / "run", "--out", out, "--keys", tmp_path / "nowhere", code=5)


def test_without_the_packages_it_is_said_that_files_are_not_signed(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    model.save(tmp_path / "run")
    done = CliRunner().invoke(main, ["sample", str(tmp_path / "run"), "-n", "3", "--out", str(tmp_path / "fake.csv")])
    assert done.exit_code == 0 and done.stderr.count("not signed") == 1 and "genwright[trust]" in done.stderr
    assert not (tmp_path / "fake.csv.sig.json").exists()
    done = CliRunner().invoke(main, ["verify", str(tmp_path / "fake.csv")])
    assert done.exit_code == 7 and "genwright[trust]" in done.stderr


def test_the_first_signed_write_makes_keys_and_says_so(model, tmp_path, monkeypatch):
    monkeypatch.delenv("GENWRIGHT_KEYS")
    monkeypatch.setattr(keys_module, "usual_folder", lambda: tmp_path / "home" / "keys")
    model.save(tmp_path / "run")
    words = ["sample", str(tmp_path / "run"), "-n", "3", "--out", str(tmp_path / "fake.csv")]
    first, second = (CliRunner().invoke(main, words).stderr for _ in range(2))
    assert "made keys to sign with" in first and "made keys" not in second
    assert verify(tmp_path / "fake.csv", trust=tmp_path / "home" / "keys" / "ca.pem").exit_code == 0


def test_pictures_of_other_kinds_and_archives_hold_a_manifest(keys, tmp_path):
    import io
    import zipfile

    from PIL import Image

    for suffix, kind in ((".jpg", "JPEG"), (".webp", "WEBP")):
        held = io.BytesIO()
        Image.new("RGB", (16, 16), (10, 200, 30)).save(held, kind)
        (tmp_path / f"a{suffix}").write_bytes(signed(held.getvalue(), f"a{suffix}", {}, keys))
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
    (tmp_path / "a.zip").write_bytes(signed(held.getvalue(), "a.zip", {}, keys))
    for name in ("a.jpg", "a.webp", "a.zip"):
        assert verify(tmp_path / name, trust=trusted(keys)).exit_code == 0, name
    raw = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(raw.replace(b"x\n1\n", b"x\n2\n"))
    assert verify(tmp_path / "a.zip").exit_code == 1
