"""The package imports no heavy library, and modules import in one direction only."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = {
    "torch", "torchvision", "timm", "numpy", "pandas", "pyarrow", "PIL", "cv2", "faiss", "skimage", "sklearn",
    "scipy", "matplotlib", "umap", "plotly", "ipywidgets", "anywidget", "IPython", "typer", "rich",
}  # fmt: skip


def test_package_import_loads_no_heavy_library() -> None:
    code = "import sys, workbench; print(workbench.__version__, workbench.open, *sys.modules, sep='\\n')"
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert not HEAVY & set(process.stdout.split("\n"))


def test_import_contracts_are_kept() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    process = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
