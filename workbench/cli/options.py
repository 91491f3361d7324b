"""Options shared by commands, and the collection opened with them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.common.paths import user_file, user_folder
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.config.options import default_cache

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

_NAMES = "posters, reels, a benchmark's name, a folder of images and videos, or a CSV of labels"
COLLECTION = Annotated[str, typer.Argument(help=_NAMES)]
COLLECTION_OPTION = Annotated[str, typer.Option(help=_NAMES)]
LABELS = Annotated[
    str, typer.Option(help="none, folders: subfolders are labels, or folders:last: their last names")
]
CACHE = Annotated[str | None, typer.Option(help="the folder of collections and stored maps")]
JSON = Annotated[bool, typer.Option("--json", help="print JSON and nothing else")]
STATIC = Annotated[bool, typer.Option("--static", help="write the page without script: figures are pictures")]
WEIGHTS = Annotated[str | None, typer.Option(help="a folder of weight files; also WORKBENCH_WEIGHTS")]
# name → (type and help, default), as ``workbench.open`` takes them
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "size": (Annotated[int, typer.Option(help="longest side in pixels")], 512),
    "resize": (
        Annotated[str, typer.Option(help="exact (keep the aspect ratio) or cells (whole cells)")],
        "exact",
    ),
    "device": (Annotated[str, typer.Option(help="auto, cpu, cuda or mps")], "auto"),
    "precision": (Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16")], "auto"),
    "runtime": (Annotated[str, typer.Option(help="auto, torch, or openvino, on a CPU")], "auto"),
    "cache": (CACHE, None),
    "weights": (WEIGHTS, None),
    "seed": (Annotated[int, typer.Option(help="seed of random numbers")], 0),
    "distractors": (
        Annotated[str, typer.Option(help="negatives to add: a folder of images, or synthetic:COUNT")],
        "",
    ),
    "fps": (Annotated[float, typer.Option(help="frames of videos that become images, a second")], 1.0),
    "per_shot": (Annotated[int, typer.Option(help="frames of each shot of a video, in place of --fps")], 0),
    "shots": (
        Annotated[str, typer.Option(help="how shots are detected: content, or transnetv2, a network")],
        "content",
    ),
    "index_server": (
        Annotated[str, typer.Option(help="a Milvus server that searches, as milvus:http://HOST:19530")],
        "",
    ),
    "maps": (
        Annotated[
            str,
            typer.Option(help="feature maps that stay on disk: all, none, or a limit: lru:20GB"),
        ],
        "all",
    ),
    "scheduler": (
        Annotated[
            str,
            typer.Option(help="what extracts many images: local, or a Dask scheduler: tcp://HOST:8786"),
        ],
        "local",
    ),
    "contours": (
        Annotated[
            str, typer.Option(help="how contours are detected for sketches: hed, or canny, which is faster")
        ],
        "hed",
    ),
}


@dataclass(frozen=True)
class Opening:
    """A collection to open and its options; called with a progress callback, it opens it."""

    collection: str
    labels: str
    options: dict[str, Any]

    def __call__(self, progress: Progress) -> Bench:
        import workbench

        return workbench.open(self.collection, self.labels, progress=progress, **self.options)


def opens(
    command: Callable[..., None], default: str | None = None, option: bool = False
) -> Callable[..., None]:
    """Decorate a command whose first parameter is an Opening, which is filled from the shared options.

    ``default`` is the collection if none is named. ``option``: it is named by ``--collection``.
    """
    _, *specific = inspect.signature(command, eval_str=True).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = {option.name for option in specific}  # a command's own meaning of a shared name
    shared = {name: option for name, option in _OPTIONS.items() if name not in own}

    def parameter(name: str, kind: Any, value: Any) -> inspect.Parameter:
        return inspect.Parameter(name, keyword, annotation=kind, default=value)

    parameters = [
        parameter(
            "collection",
            COLLECTION_OPTION if option else COLLECTION,
            inspect.Parameter.empty if default is None else default,
        ),
        *(option.replace(kind=keyword) for option in specific),
        parameter("labels", LABELS, "none"),
        *(parameter(name, kind, value) for name, (kind, value) in shared.items()),
    ]

    @wraps(command)
    def run(collection: str, labels: str, **arguments: Any) -> None:
        options = {name: arguments.pop(name) for name in shared}
        command(Opening(collection, labels, options), **arguments)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by typer
    run.__annotations__ = {option.name: option.annotation for option in parameters}
    return run


def cache_folder(cache: str | None) -> Path:
    """The folder of ``--cache``, or else the default one."""
    return user_folder(default_cache() if cache is None else cache, "--cache")


def weights_folder(weights: str | None) -> Path | None:
    """The folder of ``--weights``, if it is given."""
    return None if weights is None else user_folder(weights, "--weights")


def output_file(out: Path) -> Path:
    """The file of ``--out``. Raises WorkbenchError if its folder does not exist, or if it is a folder."""
    path = user_file(out, "--out")
    if not path.parent.is_dir():
        raise WorkbenchError(
            f"--out {str(path)!r}: the folder {str(path.parent)!r} does not exist; create it first"
        )
    return path
