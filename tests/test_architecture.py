"""The structure of the package: no circular imports, few layers, a small root, existing paths in README."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import grimp
import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).parents[1]
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = LINTER["contracts"]
LAYERS = [contract for contract in CONTRACTS if contract["type"] == "layers"]
ROOT_FILES = {"__init__.py", "__main__.py", "workbench.py"}
MAX_LAYERS = 13


def graph() -> grimp.ImportGraph:
    """Return the imports between the modules of the package, as import-linter sees them."""
    return grimp.build_graph(
        "workbench",
        exclude_type_checking_imports=LINTER["exclude_type_checking_imports"],
        cache_dir=None,
    )


def circles(modules: Iterable[str], imports: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return the strongly connected components of two or more modules, each sorted, the largest first."""
    names = sorted(modules)
    row = {name: number for number, name in enumerate(names)}
    pairs = np.array([(row[importer], row[imported]) for importer, imported in imports]).reshape(-1, 2)
    matrix = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(names), len(names)))
    count, component = connected_components(matrix.tocsr(), directed=True, connection="strong")
    members: list[list[str]] = [[] for _ in range(count)]
    for name, number in zip(names, component, strict=True):
        members[number].append(name)
    return sorted((group for group in members if len(group) > 1), key=len, reverse=True)


def imports_of(imports: grimp.ImportGraph) -> list[tuple[str, str]]:
    """Return all imports as pairs (importer, imported)."""
    return [
        (module, imported)
        for module in sorted(imports.modules)
        for imported in imports.find_modules_directly_imported_by(module)
    ]


def test_circles_returns_strongly_connected_components() -> None:
    assert circles("abcde", [("a", "b"), ("b", "c"), ("c", "a"), ("d", "e")]) == [["a", "b", "c"]]
    assert circles("ab", [("a", "b")]) == [] == circles("a", [])


def test_modules_have_no_circular_imports() -> None:
    built = graph()
    assert {"workbench", "workbench.config", "workbench.panels.layout"} <= built.modules
    assert circles(built.modules, imports_of(built)) == []


@pytest.mark.parametrize(
    "container", sorted({name for contract in LAYERS for name in contract["containers"]})
)
def test_packages_have_no_circular_imports(container: str) -> None:
    """Packages may form a cycle although their modules do not: a.x imports b.y, and b.z imports a.w."""
    built = graph()
    children = built.find_children(container)
    child_of = {
        name: child for child in children for name in {child, *built.find_descendants(child)}
    }  # the container's own __init__ is above its children
    between = {
        (child_of[importer], child_of[imported])
        for importer, imported in imports_of(built)
        if importer in child_of and imported in child_of and child_of[importer] != child_of[imported]
    }
    assert circles(children, sorted(between)) == []


def test_package_root_holds_three_files() -> None:
    files = {path.name for path in (ROOT / "workbench").iterdir() if path.is_file()}
    assert files == ROOT_FILES


def test_layers_are_few_and_have_no_exemptions() -> None:
    assert LAYERS and all("ignore_imports" not in contract for contract in CONTRACTS)
    assert all(len(contract["layers"]) <= MAX_LAYERS for contract in LAYERS)


def test_readme_names_existing_paths() -> None:
    """Checks the table under "Where things are": the first column and the target of every link."""
    section = (ROOT / "README.md").read_text().partition("## Where things are\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|") and line.strip("|- ")]
    paths = {path for row in rows for path in re.findall(r"`([^`]+)`", row.split("|")[1])}
    paths |= {target.partition("#")[0] for row in rows for target in re.findall(r"\]\(([^)]+)\)", row)}
    assert len(rows) > 5 and "workbench/engine/" in paths
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []
