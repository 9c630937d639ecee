"""What an audit found, in the folder of the model: audit.json with every number, and a section of its card."""

import re
from pathlib import Path

from genwright.audit.audit import Audit
from genwright.storage import read_file, write_json, write_text

HEADING = "## Audit"


def write_audit(found: Audit, folder: Path) -> None:
    """Write audit.json, and put the section into README.md in place of an older one, before its licence."""
    write_json(folder / "audit.json", found.to_json())
    card = folder / "README.md"
    if card.is_file():
        write_text(card, with_section(read_file(card).decode("utf-8"), audit_section(found)))


def audit_section(found: Audit) -> str:
    """The verdict in words, the strongest attacks and what else was tried, as Markdown."""
    told = found.membership
    rows = []
    for each in told.attacks:
        caught = " | ".join(f"{share:.3f} ({low:.3f}–{high:.3f})" for share, low, high in each.caught.values())
        rows.append(f"| {each.name} | {each.auc:.3f} ({each.interval[0]:.3f}–{each.interval[1]:.3f}) | {caught} |")
    rates = " | ".join(f"found at {100 * alarm:g} % false alarms" for alarm in told.strongest.caught)
    also = [f"- {line}" for line in (found.copies, found.inference) if line is not None]
    return "\n".join(
        [
            HEADING,
            "",
            f"**{found.verdict}**",
            "",
            f"Attacks that guess which of {told.members + told.others:,} records were trained on, half of them at best "
            f"by chance (AUC 0.5). Intervals hold for all {len(told.attacks)} at once; p = {told.p:.2g} that the "
            "strongest is by chance.",
            "",
            f"| attack | AUC | {rates} |",
            "|---|---|" + "---|" * len(told.strongest.caught),
            *rows,
            "",
            *also,
            *(f"- {note}" for note in found.notes),
        ]
    ).rstrip()


def with_section(card: str, section: str) -> str:
    """The card with the section in place of the one there is, or else before the licence, or at the end."""
    heading = re.escape(section.split("\n", 1)[0])
    rest = re.sub(rf"(?ms)^{heading}\n.*?(?=^## |\Z)", "", card)
    before, licence, after = rest.partition("\n## Licence")
    return f"{before.rstrip()}\n\n{section}\n{licence}{after}" if licence else f"{rest.rstrip()}\n\n{section}\n"
