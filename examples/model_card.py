"""Model cards: every number measured, and checked by whoever gets the folder.

A model is fitted, measured on records that it never saw, and audited; what came out makes its card (README.md), which
says what the model is, what it was fitted to, how good it is, and what it gives away. Whoever has the data computes
every number again; a number that somebody made better is found, in the card and in the file beside it.

    python examples/model_card.py

You should see the beginning of the card, every score come out again, and each of two forgeries found.
"""

import json
import tempfile
from pathlib import Path

import genwright as gw
import show
from genwright.report.audited import write_audit
from genwright.report.checked import verify_card, write_card

EXPECTED = {
    "membership: AUC of the strongest attack": (0.45, 0.85),
    "scores in the card": (4, 20),
    "scores computed again": (4, 20),
    "wrong in the card": (0, 0),
    "wrong after a better number in the card": (1, 9),
    "wrong after a better number in both files": (1, 9),
    "sections of the card": (6, 12),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit, measure, audit, write the card, verify it, forge it."""
    data = gw.read("wine")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "wine"
        model = gw.fit(data, family=gw.Mixture(components=4), steps=20)
        model.save(folder)
        found = write_card(model, data, folder)
        audit = gw.audit_model(model, data)
        write_audit(audit, folder)
        print(f"  {audit.verdict}")
        checked = verify_card(folder, data)
        card = folder / "README.md"
        text = card.read_text(encoding="utf-8")
        print("\n".join(f"  | {line[:100]}" for line in text.splitlines()[9:22] if line))
        first = next(score for score in found.scores if score.interval is not None)
        better = f"{first.value / 2:.4g}"
        forged = text.replace(f"| {first.value:.4g}{first.unit} |", f"| {better}{first.unit} |")
        card.write_text(forged, encoding="utf-8")
        in_card = verify_card(folder)
        scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        next(each for each in scores["scores"] if each["name"] == first.name)["value"] = float(better)
        (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
        in_both = verify_card(folder, data, only=[first.name])
        print(f"  forged: {in_both.wrong[-1]}")
    numbers = {
        "membership: AUC of the strongest attack": audit.membership.strongest.auc,
        "scores in the card": len(found.scores),
        "scores computed again": checked.recomputed,
        "wrong in the card": len(checked.wrong),
        "wrong after a better number in the card": len(in_card.wrong),
        "wrong after a better number in both files": len(in_both.wrong),
        "sections of the card": text.count("\n## "),
    }
    return show.numbers(numbers, EXPECTED)


if __name__ == "__main__":
    show.command(main)
