"""Counts the places where code asks of what kind something is: `python -m tests.dispatch`.

A place is an `isinstance`, a `case`, a comparison of types or a dict by class that names a kind of data (a class of
field or codec) or of space, outside the tables of the layers: what a new kind has to be thought of at.
"""

import ast
import sys
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "genwright"
SUBJECTS = {
    "kinds": {"Image", "Text", "ColumnsCodec", "ConditionedCodec", "ImageCodec", "TextCodec"},
    "spaces": {"Reals", "Tokens", "Columns"},
}
TABLES = {"KINDS"}  # names of constants that hold one line per kind
HOMES = {"spaces.py", "nets/default.py"}  # where spaces are made, and the table of the nets that they get


def places(tree: ast.AST, subject: set[str]) -> Counter[str]:
    """How often each function asks for a class of `subject`."""
    found: Counter[str] = Counter()
    open_ = [(tree, "")]
    while open_:
        node, inside = open_.pop()
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.Assign | ast.AnnAssign) and _targets(each) & TABLES:
                continue
            found[inside] += _asks(each, subject)
            named = isinstance(each, ast.FunctionDef | ast.ClassDef)
            open_.append((each, f"{inside}.{each.name}".strip(".") if named else inside))
    return +found


def _targets(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _asks(node: ast.AST, subject: set[str]) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, kinds]):
            return bool(_names(kinds) & subject)
        case ast.MatchClass(cls=ast.Name(id=kind)):
            return kind in subject
        case ast.Compare(comparators=others):
            return any(isinstance(other, ast.Name) and other.id in subject for other in (node.left, *others))
        case ast.Dict(keys=keys):
            return any(isinstance(key, ast.Name) and key.id in subject for key in keys)
    return False


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def counted(subject: str) -> Counter[str]:
    """Places of all modules, as `folder/module.py function`."""
    found: Counter[str] = Counter()
    for path in sorted(SOURCE.rglob("*.py")):
        if path.relative_to(SOURCE).as_posix() in HOMES:
            continue
        text = path.read_text("utf-8")
        each = places(ast.parse(text), SUBJECTS[subject]) if any(map(text.__contains__, SUBJECTS[subject])) else {}
        found.update({f"{path.relative_to(SOURCE).as_posix()} {name}".strip(): n for name, n in each.items()})
    return found


if __name__ == "__main__":
    for subject in SUBJECTS:
        found = counted(subject)
        lines = "".join(f"  {n:2} {place}\n" for place, n in sorted(found.items()))
        sys.stdout.write(f"{subject}: {found.total()} places in {len({p.split()[0] for p in found})} files\n{lines}")
