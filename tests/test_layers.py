"""Imports point only down the flow of STYLE.md, rule 14."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "genwright"
LAYERS = [
    "errors",
    "typed",
    "signals",
    "folders",
    "storage",
    "randomness",
    "weights",
    "spaces",
    "data",
    "codecs",
    "maths",
    "nets",
    "families",
    "train",
    "constraints",
    "privacy",
    "drawing",
    "texts",
    "imputation",
    "generator",
    "fitting",
    "relational",
    "estimators",
    "metrics",
    "rating",
    "card",
    "report",
    "runs",
    "app",
    "__main__",
]
CONTRACT = "genwright.families.family"  # what all families have in common, which later stages may know
# Stages that know Datasets and Generators but no family, codec or net.
BLIND = {"metrics": {"families", "codecs", "nets", "train"}, "report": {"families", "nets", "codecs"}}
FILES = sorted(SOURCE.rglob("*.py"))


def layer_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_layers(path: Path, besides: str = "") -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
        found |= {name.split(".")[1] for name in names if name.startswith("genwright.") and name != besides}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_down(path):
    layer = layer_of(path)
    if layer == "__init__":
        return  # the public names, loaded lazily, come from every layer
    assert layer in LAYERS, f"{layer} has no place in the flow"
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    assert not imported_layers(path) & above
    assert not imported_layers(path, besides=CONTRACT) & BLIND.get(layer, set())


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_and_functions_stay_small(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno + 1 <= 50, f"{node.name} is too long"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_nothing_unpickles_or_evaluates(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
            assert not {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"} & set(names)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "torch.load", "torch.save", "torch.manual_seed", "np.random.seed"}
            assert "allow_pickle=True" not in ast.unparse(node)
