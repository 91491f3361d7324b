"""The wheel holds the content of the checkout; dependencies, notebooks and README are consistent."""

import ast
import json
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from ipykernel.ipkernel import IPythonKernel

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CONDA_NAMES = {
    "torch": "pytorch",
    "xxhash": "python-xxhash",
    "opencv-python-headless": "py-opencv",
}  # packages whose name differs from pip's


def package(requirement: str) -> tuple[str, str]:
    name, _, bound = requirement.partition(">=")
    return name.lower().replace("_", "-"), bound


def test_conda_environment_matches_pyproject() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    listed = environment["dependencies"]
    from_pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    conda = dict(package(entry) for entry in [*listed, *from_pip] if isinstance(entry, str))
    assert conda.pop("python") == PROJECT["requires-python"].removeprefix(">=")
    conda.pop("pip")
    required = dict(map(package, PROJECT["dependencies"]))
    assert conda == {CONDA_NAMES.get(name, name): bound for name, bound in required.items()}


def test_all_imports_are_declared_dependencies() -> None:
    imported = set()
    for file in (ROOT / "workbench").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                imported.add(node.module.split(".")[0])
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "lazy_module":
                imported.add(str(ast.literal_eval(node.args[0])).split(".")[0])
    extras = [extra for name, extra in PROJECT["optional-dependencies"].items() if name != "test"]
    declared = {package(name)[0] for names in (PROJECT["dependencies"], *extras) for name in names}
    owners = packages_distributions()
    for module in sorted(imported - set(sys.stdlib_module_names) - {"workbench"}):
        names = {name.lower().replace("_", "-") for name in owners.get(module, [])}
        assert names & declared, f"{module} is imported, but nothing in pyproject.toml brings it"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_wheel_contains_package_notebooks_and_data_files(wheel: zipfile.ZipFile) -> None:
    packed = set(wheel.namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "workbench", "notebooks"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [name for name in tracked.stdout.split("\0") if name and (ROOT / name).exists()]
    expected = {name if name.startswith("workbench/") else f"workbench/{name}" for name in files}
    assert {"workbench/__init__.py", "workbench/cli/main.py"} <= expected
    assert any(name.startswith("workbench/panels/static/") for name in expected)
    assert any(name.startswith("workbench/notebooks/") for name in expected)
    assert expected <= packed, sorted(expected - packed)


def test_wheel_contains_no_other_files(wheel: zipfile.ZipFile) -> None:
    folders = {name.split("/")[0] for name in wheel.namelist()}
    assert folders == {"workbench", f"retrieval_workbench-{PROJECT['version']}.dist-info"}
    stray = [
        n for n in wheel.namelist() if ".ipynb_checkpoints" in n or "__pycache__" in n or n.endswith(".pyc")
    ]
    assert not stray


def test_wheel_metadata_match_pyproject(wheel: zipfile.ZipFile) -> None:
    info = f"retrieval_workbench-{PROJECT['version']}.dist-info"
    assert "workbench = workbench.cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert "Requires-Python: >=3.11" in metadata
    assert "License-Expression: MIT" in metadata
    assert f"{info}/licenses/LICENSE" in wheel.namelist()


def test_version_matches_pyproject() -> None:
    import workbench

    assert workbench.__version__ == PROJECT["version"]


def test_first_notebook_exists() -> None:
    assert "01_explore_a_collection.ipynb" in [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_stored_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        assert not cell.get("outputs"), f"cell {cell['source']} has outputs; clear them before storing"
        assert cell.get("execution_count") is None
    assert "widgets" not in notebook["metadata"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_has_the_metadata_that_jupyterlab_would_write_into_it(path: Path) -> None:
    """JupyterLab stores what the kernel says of its language, and marks a notebook that differs unsaved."""
    stored = json.loads(path.read_text())["metadata"]["language_info"]
    told = dict(IPythonKernel.language_info)
    assert stored.pop("version").startswith("3.")  # that of one Python; another one's kernel marks it unsaved
    told.pop("version")
    assert stored == told


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_lesson_is_short_and_leaves_no_state_in_the_session(path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    code = "".join("".join([*cell["source"], "\n"]) for cell in cells)
    assert len([line for line in code.split("\n") if line.strip()]) <= 60
    for word in ("session", "workbench.panels", "csv", "tempfile", "matplotlib"):
        assert word not in code


def test_readme_names_the_commands_and_the_notebooks() -> None:
    readme = (ROOT / "README.md").read_text()
    for words in ("make lab", "make test", "make bench", "workbench lab", "workbench evaluate"):
        assert words in readme, f"README.md does not mention {words!r}"
    for path in NOTEBOOKS:
        assert path.name in readme, f"README.md does not mention {path.name}"
