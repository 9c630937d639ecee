"""What the documents say works: Python blocks run, commands exist, links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from genwright.app.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (str(page.relative_to(ROOT)), text)
        for page in PAGES
        for kind, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind == language
    ]


@pytest.mark.parametrize(("page", "code"), blocks("python"), ids=lambda v: v if v.endswith(".md") else "")
def test_python_blocks_run(page, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, page, "exec"), {"__name__": "__main__"})
    assert code.strip()


def commands() -> list[str]:
    lines = [line for _, text in blocks("console") + blocks("sh") for line in text.splitlines()]
    return [line.removeprefix("$ ").split("#")[0].strip() for line in lines if "genwright " in line]


def test_commands_parse():
    assert len(commands()) > 20
    for command in commands():
        words = shlex.split(command)
        assert words[0] == "genwright"
        if len(words) > 1 and not words[1].startswith("-"):
            main.commands[words[1]].make_context(words[1], words[2:], resilient_parsing=True)


def test_links_lead_somewhere():
    for page in PAGES:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / target.strip()).exists(), f"{page.name} links to {target}"


def test_help_has_an_example():
    for words in ([], *([verb] for verb in main.commands)):
        result = CliRunner().invoke(main, [*words, "--help"])
        assert result.exit_code == 0 and "genwright " in result.output, words


def test_the_readme_tree_names_real_files():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = readme.split("```text\ngenwright/")[1].split("```")[0]
    package = {
        p.name.removesuffix(".py") for p in (ROOT / "src" / "genwright").iterdir() if p.is_dir() or p.suffix == ".py"
    }
    for name in package - {"__init__", "__pycache__"}:
        assert re.search(rf"\b{name}\b", tree), f"{name} is missing from the tree in README.md"
