"""Arrows only downwards: which part of the library may import which, and no cycles inside any."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "kernel_lib" / "milepost"

MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "ports": {"model"},
    "analysis": {"hashing", "model"},
    "tracking": {"model"},
    "engine": {"model", "ports", "analysis", "tracking"},
    "hashing": set(),
    "pickling": set(),
    "executors": {"hashing", "model", "ports", "analysis", "pickling", "tracking"},
    "functions": {"model"},
    "checkpoint": {"hashing", "model", "ports", "pickling"},
    "widget": {"model"},
    "builder": {"model", "ports", "engine", "executors", "checkpoint", "widget"},
    "notebook": {
        *("hashing", "model", "ports", "analysis", "tracking"),
        *("engine", "functions", "builder", "checkpoint", "widget"),
    },
    "checking": {"hashing", "model", "analysis", "notebook", "widget"},
    "cli": {"model", "checkpoint", "widget", "checking"},
    "telemetry": {"model", "ports"},
    "server": set(),
    "testing": {"model", "ports", "engine", "builder"},
    "__init__": {"model", "tracking", "engine", "functions", "builder", "notebook"},
}
"""What each folder or file at the top may import of ours, besides itself."""

HEAVY = {"numpy", "pandas", "torch", "IPython", "ipywidgets", "anywidget", "dill", "matplotlib", "dask"}
"""What `import milepost` must not load."""


def part_of(module: str) -> str:
    """The top-level part of a module of ours."""
    return [*module.split("."), "__init__"][1]


def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules of ours that a file imports, and whether at module level."""
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        found += [(name, id(node) in top) for name in names if name.split(".")[0] == "milepost"]
    return found


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for module, _ in imports(path):
        part = part_of(module)
        assert part == own or part in MAY_IMPORT[own], f"{own} must not import {module}"


def test_every_part_is_in_the_table() -> None:
    parts = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in sources()}
    assert parts == set(MAY_IMPORT)


def test_no_cycles() -> None:
    graph = {module_name(path): {name for name, top in imports(path) if top} for path in sources()}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join([*trail, module])
        if module not in done:
            for target in graph.get(module, ()):
                visit(target, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_the_engine_is_light() -> None:
    code = "import sys, milepost; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_model_needs_the_standard_library_only() -> None:
    for path in (ROOT / "model").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                assert name.split(".")[0] in {*sys.stdlib_module_names, "milepost"}, f"{path.name} imports {name}"
