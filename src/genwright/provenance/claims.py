"""What is claimed of a file: that a model made it, which one, how, and what its maker wishes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genwright.data.origin import Origin

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
LABEL = "org.genwright.made"  # of the assertion that is our own
MINING_LABEL = "cawg.training-mining"
MINING = ("cawg.ai_inference", "cawg.ai_generative_training", "cawg.ai_training", "cawg.data_mining")
USE = "notAllowed"


@dataclass(frozen=True, kw_only=True)
class Maker:
    """The run that records are drawn from: the SHA-256 of its recipe.json and README.md (the card), where there are.

    `mark` identifies the watermark, None where there is none.
    """

    recipe: str | None = None
    card: str | None = None
    mark: str | None = None

    @classmethod
    def of(cls, folder: Path, *, mark: str | None = None) -> "Maker":
        """The run in a folder."""
        return cls(recipe=_sha256(folder / "recipe.json"), card=_sha256(folder / "README.md"), mark=mark)

    def told(self, origin: Origin | None) -> dict[str, Any]:
        """What is claimed, as JSON."""
        own = {name: value for name, value in vars(self).items() if value is not None}
        return own | ({"origin": origin.to_json()} if origin is not None else {})


def assertions(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The claims as assertions of C2PA 2.4: created by a trained model, not for training or mining, and ours."""
    return [
        {
            "label": "c2pa.actions.v2",
            "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}]},
        },
        {"label": MINING_LABEL, "data": {"entries": {name: {"use": USE} for name in MINING}}},
        {"label": LABEL, "data": dict(told)},
    ]


def agent() -> dict[str, str]:
    """The program that makes the claims."""
    from genwright import __version__

    return {"name": "genwright", "version": __version__}


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
