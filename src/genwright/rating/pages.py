"""The files of the rating page, by the path they are served under: a fixed table, so that no path can be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Page:
    """One file and its content type."""

    raw: bytes
    content_type: str


def pages() -> Mapping[str, Page]:
    """Every file of the page: index.html under "/", the others under their names."""
    files = [path for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES]
    return {_address(path): Page(path.read_bytes(), TYPES[path.suffix]) for path in files}


def _address(path: Path) -> str:
    return "/" if path.name == "index.html" else f"/{path.name}"
