"""The log against the published vectors, an own recursion of RFC 6962, and a verifier that shares no code with it."""

import ast
import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509

import genwright as gw
from genwright.app.cli import main
from genwright.provenance import checker
from genwright.provenance.checker import Unproven, check_consistency, check_inclusion, leaf_hash
from genwright.provenance.keys import Keys
from genwright.provenance.log import Log, consistency_proof, inclusion_proof, signed_head

# The eight leaves and the roots of their first n of the test vectors of Certificate Transparency's reference code.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setattr("genwright.provenance.log._file_of", lambda data: data.hex())
    return Log(tmp_path / "log.sqlite")


def tree(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it stands there."""
    if len(leaves) <= 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest() if leaves else hashlib.sha256(b"").digest()
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + tree(leaves[:half]) + tree(leaves[half:])).digest()


def test_roots_are_those_of_the_published_vectors(log):
    log.append(bytes.fromhex(leaf) for leaf in LEAVES)
    for size, root in ROOTS.items():
        assert log.root(size).hex() == root
    assert log.root(0).hex() == hashlib.sha256(b"").hexdigest()
    assert [step.hex()[:8] for step in log.inclusion(0, 8)] == ["96a296d2", "5f083f0a", "6b47aaf2"]


def test_every_proof_of_small_logs_holds_and_no_other(log):
    leaves = [bytes([i]) * (i % 5) + b"." for i in range(21)]
    for start, stop in ((0, 1), (1, 2), (2, 9), (9, 21)):  # in batches of all parities
        log.append(leaves[start:stop])
    roots = {n: log.root(n) for n in range(1, 22)}
    assert all(roots[n] == tree(leaves[:n]) for n in roots)
    for n, root in roots.items():
        for i in range(n):
            path = log.inclusion(i, n)
            assert len(path) <= (n - 1).bit_length()
            check_inclusion(leaf_hash(leaves[i]), i, n, path, root)
            for wrong in ((i + 1) % n, n):
                if wrong != i:
                    with pytest.raises(Unproven):
                        check_inclusion(leaf_hash(leaves[i]), wrong, n, path, root)
            with pytest.raises(Unproven):
                check_inclusion(leaf_hash(leaves[i] + b"!"), i, n, path, root)
        for first in range(1, n + 1):
            path = log.consistency(first, n)
            check_consistency(first, n, path, roots[first], root)
            with pytest.raises(Unproven):
                check_consistency(first, n, path, hashlib.sha256(b"other").digest(), root)


@pytest.mark.parametrize(
    "change",
    [
        'UPDATE entries SET data = \'{"file":"0"}\' WHERE at = 3',
        "UPDATE entries SET file = 'x' WHERE at = 3",
        "DELETE FROM entries WHERE at = 9",
        "DELETE FROM entries WHERE at = 4",
        "UPDATE nodes SET hash = x'00' WHERE level = 2 AND at = 1",
        "UPDATE entries SET at = CASE at WHEN 1 THEN -2 WHEN 2 THEN -1 ELSE at END",
        "DELETE FROM nodes WHERE level = 0 AND at = 9",
        "DROP TABLE nodes",
    ],
)
def test_every_edit_reorder_and_truncation_is_caught(tmp_path, change):
    log = Log(tmp_path / "log.sqlite")
    log.append(log.entry(bytes([i])) for i in range(10))
    assert log.check() == 10
    with sqlite3.connect(log.path) as db:
        db.execute(change)
    with pytest.raises(gw.StorageError):
        log.check()


def test_a_rewritten_log_does_not_go_on_from_a_head_that_was_kept(tmp_path):
    keys = Keys.make(tmp_path / "keys")
    first, second = Log(tmp_path / "a.sqlite"), Log(tmp_path / "b.sqlite")
    first.append(first.entry(bytes([i])) for i in range(6))
    kept = signed_head(first, keys)
    second.append(second.entry(bytes([i])) for i in (0, 1, 2, 99, 4, 5, 6, 7))  # whole in itself, and another
    assert second.check() == 8
    anchors = x509.load_pem_x509_certificates(keys.authority)
    with pytest.raises(Unproven, match="does not go on"):
        checker.check(consistency_proof(second, kept, keys), anchors)
    first.append([first.entry(b"more")])
    assert checker.check(consistency_proof(first, kept, keys), anchors) == "the log of 7 entries goes on from that of 6"


def test_the_verifier_stands_alone_and_is_short():
    source = Path(checker.__file__).read_text()
    imported = {alias.name for node in ast.walk(ast.parse(source)) for alias in getattr(node, "names", [])}
    modules = {getattr(node, "module", None) for node in ast.walk(ast.parse(source))}
    assert source.count("\n") < 150 and not any("genwright" in str(each) for each in imported | modules)


def test_proofs_are_checked_without_genwright(tmp_path):
    keys, log = Keys.make(tmp_path / "keys"), Log(tmp_path / "log.sqlite")
    file = tmp_path / "fake.csv"
    file.write_text("x\n1\n")
    log.append([log.entry(b"other"), log.entry(file.read_bytes()), log.entry(b"third")])
    proof = inclusion_proof(log, hashlib.sha256(file.read_bytes()).hexdigest(), keys)
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(proof))
    command = [sys.executable, "-I", checker.__file__, path, "--trust", tmp_path / "keys" / "ca.pem", "--file", file]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("entry 1 of 3"), done.stderr
    anchors, other = x509.load_pem_x509_certificates(keys.authority), Keys.make(tmp_path / "other")
    for key, value in (("index", 0), ("path", proof["path"][:1]), ("path", []), ("entry", "AAAA"), ("head", {})):
        with pytest.raises(Unproven):
            checker.check(proof | {key: value}, anchors)
    with pytest.raises(Unproven, match="signature of the head"):
        checker.check(proof | {"head": proof["head"] | {"size": 4}}, anchors)
    with pytest.raises(Unproven, match="do not vouch"):
        checker.check(proof, x509.load_pem_x509_certificates(other.authority))
    with pytest.raises(Unproven, match="another file"):
        checker.check(proof, anchors, "00" * 32)


def test_the_command_line_logs_proves_and_checks(tmp_path):
    def call(*words, code=0):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done.stdout

    keys = tmp_path / "keys"
    Keys.make(keys)
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_text(f"x\n{name}\n")
    head = call("log", "append", tmp_path / "a.csv", tmp_path / "b.csv", "--keys", keys)
    (tmp_path / "head.json").write_text(head)
    assert json.loads(head)["size"] == 2
    call("log", "append", tmp_path / "c.csv", "--keys", keys)
    call("log", "prove", tmp_path / "b.csv", "--keys", keys, "--out", tmp_path / "proof.json")
    assert "entry 1 of 3" in call("log", "check", tmp_path / "proof.json", "--keys", keys, "--file", tmp_path / "b.csv")
    call("log", "check", tmp_path / "proof.json", "--keys", keys, "--file", tmp_path / "a.csv", code=1)
    since = ("--since", tmp_path / "head.json", "--keys", keys)
    call("log", "prove", tmp_path / "b.csv", *since, "-o", tmp_path / "on.json")
    assert "goes on from" in call("log", "check", tmp_path / "on.json", "--trust", keys / "ca.pem")
    assert call("log", "check", "--keys", keys) == "3 entries, all as they were\n"
    told = json.loads(call("verify", tmp_path / "c.csv", "--keys", keys, "--json", code=1))
    assert told["logged"] is True and told["signed"] is False
    call("log", "prove", tmp_path / "proof.json", "--keys", keys, code=2)


@pytest.mark.slow
def test_a_million_entries(tmp_path):
    import time

    log = Log(tmp_path / "log.sqlite")
    start = time.perf_counter()
    log.append(log.entry(i.to_bytes(4, "little")) for i in range(10**6))
    built, start = time.perf_counter() - start, time.perf_counter()
    paths = [log.inclusion(i) for i in range(0, 10**6, 10**4)]
    each = (time.perf_counter() - start) / len(paths)
    root, start = log.root(), time.perf_counter()
    for i, path in zip(range(0, 10**6, 10**4), paths, strict=True):
        check_inclusion(leaf_hash(log.entry(i.to_bytes(4, "little"))), i, 10**6, path, root)
    checked = (time.perf_counter() - start) / len(paths)
    print(f"built in {built:.1f} s, a proof in {each * 1e3:.2f} ms, checked in {checked * 1e3:.3f} ms")
    assert max(map(len, paths)) <= 20
