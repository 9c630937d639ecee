"""Imports point only down the flow of STYLE.md, rule 14."""

import ast
from functools import cache
from pathlib import Path

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
    "model",
    "relational",
    "estimators",
    "extractors",
    "scores",
    "audit",
    "metrics",
    "provenance",
    "export",
    "serve",
    "rating",
    "report",
    "runs",
    "app",
    "__main__",
]
CONTRACT = "genwright.families.family"  # what all families have in common, which later stages may know
# Stages that know Datasets and Generators but no family, codec or net.
BLIND = {
    **{stage: {"families", "codecs", "nets", "train"} for stage in ("extractors", "scores", "audit", "metrics")},
    "report": {"families", "nets", "codecs"},
}


@cache
def nodes() -> dict[Path, list[ast.AST]]:
    """All of every file."""
    return {path: list(ast.walk(ast.parse(path.read_text(encoding="utf-8")))) for path in sorted(SOURCE.rglob("*.py"))}


def imported_layers(path: Path, besides: str = "") -> set[str]:
    found = set()
    for node in nodes()[path]:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
        found |= {name.split(".")[1] for name in names if name.startswith("genwright.") and name != besides}
    return found


def test_imports_point_down():
    for path in nodes():
        layer = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if layer == "__init__":
            continue  # the public names, loaded lazily, come from every layer
        assert layer in LAYERS, f"{layer} has no place in the flow"
        above = set(LAYERS[LAYERS.index(layer) + 1 :])
        assert not imported_layers(path) & above, path
        assert not imported_layers(path, besides=CONTRACT) & BLIND.get(layer, set()), path


def test_files_and_functions_stay_small():
    for path, tree in nodes().items():
        assert path.read_text(encoding="utf-8").count("\n") <= 400, path
        for node in tree:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert node.end_lineno - node.lineno + 1 <= 50, f"{path}: {node.name} is too long"


def test_nothing_unpickles_or_evaluates():
    unsafe = {"eval", "exec", "torch.load", "torch.save", "torch.manual_seed", "np.random.seed"}
    for path, tree in nodes().items():
        for node in tree:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
                assert not {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"} & set(names), path
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in unsafe, path
            assert not (
                isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False"
            ), path
