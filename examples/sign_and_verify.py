"""Signatures: who made a file, with which model, and whether anybody changed it since.

A hospital draws synthetic patients and signs them; someone else, who trusts its certificate, verifies them. Pictures
hold their manifest (C2PA), a table has it beside it. Any change is found, and a stranger who signs under the same name
is found out. From the manifest, whoever has the model draws the same records again.

    python examples/sign_and_verify.py

You should see every signed file verify, every changed byte be found, and the same table drawn again bit for bit.
"""

import random
import tempfile
from pathlib import Path

import genwright as gw
from genwright.provenance.claims import Maker
from genwright.provenance.keys import Keys
from genwright.provenance.signing import Signing
from genwright.provenance.verify import origin_in, verify

CHANGES = 60

EXPECTED = {
    "files signed and intact": (9, 9),
    "share of changed files found": (1.0, 1.0),
    "files of a stranger who uses the same name that were believed": (0, 0),
    "kB that a signature adds to a picture": (1.0, 4.0),  # 3.4
    "records drawn again that differ": (0, 0),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Sign, verify, change, forge, draw again."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        keys = Keys.make(folder / "keys", organisation="Example Hospital")
        model = gw.fit(gw.read("wine"), family=gw.Mixture(components=4), steps=20)
        model.save(folder / "run")
        sign = Signing(keys, Maker.of(folder / "run"))
        gw.write(model.sample(50, seed=7), folder / "fake.csv", signer=sign)
        pictures = gw.read("digits").take(slice(0, 8))
        gw.write(pictures, folder / "signed", signer=sign)
        gw.write(pictures, folder / "plain")

        files = [folder / "fake.csv", *sorted((folder / "signed").glob("*.png"))]
        found = [verify(path, trust=folder / "keys" / "ca.pem") for path in files]
        numbers = {"files signed and intact": float(sum(each.exit_code == 0 for each in found))}
        print(f"{found[0].file.rpartition('/')[2]}: signed by {found[0].signer}; claims {', '.join(found[0].claims)}")

        numbers["share of changed files found"] = share_of_changes_found(folder, keys)
        thief = Signing(Keys.make(folder / "thief", organisation="Example Hospital"))
        gw.write(model.sample(50, seed=8), folder / "forged.csv", signer=thief)
        forged = verify(folder / "forged.csv", trust=folder / "keys" / "ca.pem")
        numbers["files of a stranger who uses the same name that were believed"] = float(forged.exit_code == 0)
        sizes = [(folder / kind / "00000.png").stat().st_size for kind in ("signed", "plain")]
        numbers["kB that a signature adds to a picture"] = (sizes[0] - sizes[1]) / 1000
        again = gw.reproduce(origin_in(folder / "fake.csv"), gw.load(folder / "run"))
        differ = (again.frame != model.sample(50, seed=7).frame).any(axis=1)
        numbers["records drawn again that differ"] = float(differ.sum())
    for name, value in numbers.items():
        print(f"{name}: {value:.4g}")
    return numbers


def share_of_changes_found(folder: Path, keys: Keys) -> float:
    """Of single bytes changed at random, in the table and in the pixels of a picture."""
    rng, found = random.Random(0), 0
    for path in (folder / "fake.csv", folder / "signed" / "00000.png"):
        raw = path.read_bytes()
        first = raw.index(b"IDAT") if path.suffix == ".png" else 0
        for _ in range(CHANGES // 2):
            at = rng.randrange(first, len(raw) - 12)
            path.write_bytes(raw[:at] + bytes([raw[at] ^ rng.randrange(1, 256)]) + raw[at + 1 :])
            found += verify(path, trust=keys.folder / "ca.pem").exit_code == 1
        path.write_bytes(raw)
    return found / CHANGES


if __name__ == "__main__":
    main()
