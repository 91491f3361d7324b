"""The package opens quickly, and modules import in one direction only."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = {
    "torch", "torchvision", "timm", "numpy", "pandas", "pyarrow", "PIL", "cv2", "faiss", "skimage", "sklearn",
    "scipy", "matplotlib", "umap", "plotly", "ipywidgets", "anywidget", "IPython", "typer", "rich",
}  # fmt: skip


def test_import_is_light() -> None:
    code = "import sys, workbench; print(workbench.__version__, workbench.open, *sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split("\n"))


def test_import_direction() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
