"""Libraries are imported at first use, and modules import in one direction only."""

import subprocess
import sys
from pathlib import Path

import pytest

from workbench.bench.bench import Bench

ROOT = Path(__file__).parents[1]
HEAVY = {
    "torch", "torchvision", "timm", "numpy", "pandas", "pyarrow", "PIL", "cv2", "faiss", "skimage", "sklearn",
    "scipy", "matplotlib", "umap", "plotly", "ipywidgets", "anywidget", "IPython", "typer", "rich",
}  # fmt: skip

PIPELINE = "efficientnet_lite0/max/rmac:2"
SEARCH = """
import sys, workbench
from workbench.cli.main import main
bench = workbench.open({root!r}, "folders", **{options!r})
repr(bench.collection)
try: main(["search", {root!r}, {query!r}, "--labels", "folders", "--pipeline", {pipeline!r}, *{arguments!r}])
except SystemExit as end: assert not end.code
print(*sys.modules, sep="\\n")
bench.search({query!r}, pipeline={pipeline!r})
print("TABLE", *sys.modules, sep="\\n")
from workbench.panels.layout import open_panel
from workbench.panels.session import Session
session = Session(bench, pipeline={pipeline!r})
session.prefetcher = object()  # nothing is described ahead
for name in {panels!r}:
    open_panel(name, bench, session)
    assert session.wait(60) and not session.message, session.message
    print("PANEL", name, *sys.modules, sep="\\n")
"""
# What no search of a described collection loads, nor the first cell of a notebook.
UNUSED = {
    "torchvision", "timm", "faiss", "numba", "scipy", "skimage", "sklearn", "matplotlib", "umap", "cv2",
    "plotly", "ipywidgets", "anywidget", "transformers", "tokenizers", "lark",
}  # fmt: skip
# What panels load of that, and of slow parts of the others, as they are opened and show their first results;
# in this order, with what those before have loaded.
NEEDED = {
    "tradeoff_panel": {"faiss"},
    "map_panel": {"faiss", "scipy"},
    "classes_panel": {"faiss", "scipy", "numba"},
}
DRAWING = {"plotly", "ipywidgets", "anywidget", "cv2"}
OWN_LIBRARY = {"show", "proposals_panel"}  # all panels at once; a network of torchvision's own modules


def printed(*command: str) -> list[str]:
    """The lines that a program of Python prints."""
    process = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout.split("\n")


def test_help_of_a_command_loads_no_library_of_images() -> None:
    code = "import sys; from workbench.cli.main import main; sys.argv = ['workbench', 'search', '--help']\n"
    end = "try: main()\nexcept SystemExit: print(*sys.modules, sep='\\n')"
    loaded = set(printed("-c", code + end))
    assert "typer" in loaded and not (HEAVY - {"typer", "rich"}) & loaded


@pytest.mark.slow
def test_searches_and_panels_of_a_described_collection_load_only_what_they_need(bench24: Bench) -> None:
    from workbench.panels.layout import PANELS

    query, options = bench24.collection.images[0], bench24.options
    bench24.search(query, pipeline=PIPELINE)
    chosen = {"cache": str(options.cache), "size": options.size, "precision": options.precision}
    chosen |= {"device": "cpu"}
    arguments = [text for name, value in chosen.items() for text in (f"--{name}", str(value))]
    panels = [name for name in PANELS if name not in NEEDED.keys() | OWN_LIBRARY] + [*NEEDED]
    code = SEARCH.format(
        root=str(bench24.collection.root), options=chosen, arguments=arguments, query=query,
        pipeline=PIPELINE, panels=panels,
    )  # fmt: skip
    searches, *opened = "\n".join(printed("-c", code)).split("PANEL\n")
    command, _, table = searches.partition("TABLE\n")
    assert "torch" in command.split("\n") and not (UNUSED | {"pandas", "pyarrow"}) & set(command.split("\n"))
    assert "pandas" in table.split("\n") and not UNUSED & set(table.split("\n"))
    slow = (UNUSED | {"scipy.stats", "torch._dynamo"}) - DRAWING
    loaded = {name: slow & set(modules) for name, *modules in (part.split("\n") for part in opened)}
    assert loaded == {name: NEEDED.get(name, set()) for name in panels}


def test_package_import_loads_no_heavy_library() -> None:
    code = "import sys, workbench; print(workbench.__version__, workbench.open, *sys.modules, sep='\\n')"
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert not HEAVY & set(process.stdout.split("\n"))


def test_import_contracts_are_kept() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    process = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr


# One thread imports timm, and another the proposals while the first is about to import the models.
THREADS = """
import importlib.abc, sys, threading
import torch
from workbench.common.lazy import import_after_torchvision

reached, errors = threading.Event(), []

class Pause(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torchvision.models" and not reached.is_set():
            reached.set()
            other.join(1.0)

def attempt(work):
    try: work()
    except BaseException as error: errors.append(repr(error))

def proposals():
    reached.wait(60)
    import workbench.descriptors.fpn

sys.meta_path.insert(0, Pause())
other = threading.Thread(target=attempt, args=[proposals])
other.start()
attempt(lambda: import_after_torchvision("timm"))
other.join()
print(*errors, sep="\\n")
"""


def test_threads_that_import_torchvision_in_another_order_do_not_deadlock() -> None:
    assert printed("-c", THREADS) == ["", ""]  # no errors
