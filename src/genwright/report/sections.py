"""The scores of a page by what they speak of, each group with what it means, its readings and its picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from genwright.report.evidence import Records
from genwright.report.kinds import picture
from genwright.report.plots import Picture
from genwright.report.reading import Reading
from genwright.scores.score import Group

LEADS: dict[Group, str] = {
    "fidelity": "Do single generated records, and the whole set of them, look like real ones?",
    "diversity": "Is everything there that real data shows, as varied and as often?",
    "novelty": "Are the records new, or copied from the training data? A good score finds no sign of copying; none "
    "of these scores is a proof of privacy.",
    "utility": "Can the generated data do the work of the real data?",
    "likelihood": "How well does the model expect real data that it never saw?",
    "human": "What did people say who saw real and generated records without knowing which is which?",
}


@dataclass(frozen=True)
class Section:
    """The readings of one group, what they mean together, and a picture of it, if the records hold one."""

    group: Group
    lead: str
    readings: tuple[Reading, ...]
    picture: Picture | None

    @property
    def title(self) -> str:
        """The heading."""
        return self.group.capitalize()


def sections(readings: Sequence[Reading], *, records: Records) -> list[Section]:
    """One section for each group that has scores, in the order fidelity to human."""
    found = []
    for group in get_args(Group):
        of_group = tuple(reading for reading in readings if reading.score.group == group)
        if of_group:
            shown = picture(group, scores=[reading.score for reading in of_group], records=records)
            found.append(Section(group, LEADS[group], of_group, shown))
    return found
