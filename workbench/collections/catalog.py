"""Names to collections: the embedded one, the benchmarks, folders and tables of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from workbench.collections.collection import Collection
from workbench.collections.download import SOURCES
from workbench.collections.folder import open_folder
from workbench.collections.holidays import open_holidays
from workbench.collections.labels import open_csv
from workbench.collections.oxford import open_oxford
from workbench.collections.revisited import open_revisited
from workbench.collections.ukbench import open_ukbench
from workbench.config import WorkbenchError
from workbench.progress import Progress, silent

_OPEN: dict[str, Callable[[Path, Progress], Collection]] = {
    "oxford5k": lambda root, progress: open_oxford(root, "oxford5k", progress),
    "paris6k": lambda root, progress: open_oxford(root, "paris6k", progress),
    "roxford5k": lambda root, progress: open_revisited(root, "roxford5k", progress),
    "rparis6k": lambda root, progress: open_revisited(root, "rparis6k", progress),
    "holidays": open_holidays,
    "ukbench": open_ukbench,
}


@dataclass(frozen=True)
class Entry:
    """A collection that is known by name. ``bytes`` is about what is downloaded, 0 for none."""

    name: str
    title: str
    images: int  # of the database
    queries: int
    bytes: int
    origin: str
    present: bool


# name → title, database images, queries, whose it is
_KNOWN: dict[str, tuple[str, int, int, str]] = {
    "posters": ("Posters in scenes (semi-synthetic)", 630, 60, "made here from photographs in packages"),
    "oxford5k": ("Oxford5k", 5063, 55, "VGG, Oxford; photographs under Flickr's terms"),
    "paris6k": ("Paris6k", 6392, 55, "VGG, Oxford; photographs under Flickr's terms"),
    "roxford5k": ("Revisited Oxford", 4993, 70, "CMP, Prague; photographs under Flickr's terms"),
    "rparis6k": ("Revisited Paris", 6322, 70, "CMP, Prague; photographs under Flickr's terms"),
    "holidays": ("INRIA Holidays", 1491, 500, "copyright INRIA, to be cited, as is"),
    "ukbench": ("UKBench", 10200, 10200, "University of Kentucky, to be cited; no licence stated"),
}


def catalog(cache: Path) -> list[Entry]:
    """The collections known by name, and whether each lies in ``cache`` already."""
    return [
        Entry(
            name,
            title,
            images,
            queries,
            sum(s.about for s in SOURCES.get(name, ())),
            origin,
            (cache / name).is_dir(),
        )
        for name, (title, images, queries, origin) in _KNOWN.items()
    ]


def open_collection(
    name: str | Path, labels: str = "none", cache: Path = Path("data"), progress: Progress = silent
) -> Collection:
    """Open what ``name`` names: ``posters``, a benchmark, ``BENCHMARK:FOLDER``, a CSV file or a folder.

    A benchmark without a folder lies in ``cache/NAME``. ``labels`` (``none`` or ``folders``) is for
    folders. A folder of one's own that is called as a benchmark is written ``./NAME``.
    Raises WorkbenchError saying where it looked and what to do.
    """
    if labels not in ("none", "folders"):
        raise WorkbenchError(f"labels {labels!r} is not known; valid: none, folders")
    if isinstance(name, str):
        if name == "posters":
            from workbench.collections.posters import open_posters  # needs OpenCV; nothing else here does

            return open_posters(cache / name, progress)
        # Only a benchmark's name is taken for one, so that C:\photos stays a path.
        benchmark, colon, place = name.partition(":")
        if benchmark in _OPEN:
            root = Path(place).expanduser() if colon else cache / benchmark
            if not root.is_dir() or (colon and not place):
                raise WorkbenchError(
                    f"{benchmark} is not in {str(root)!r}; run: workbench fetch {benchmark}, "
                    f"or name its folder: {benchmark}:FOLDER"
                )
            return _OPEN[benchmark](root, progress)
    path = Path(name).expanduser()
    if path.is_dir():
        return open_folder(path, cast(Literal["none", "folders"], labels), progress)
    if path.suffix.lower() == ".csv":
        return open_csv(path, progress)
    if path.exists():
        raise WorkbenchError(
            f"{str(name)!r} is a file; a collection is a folder of images or a .csv of labels"
        )
    raise WorkbenchError(
        f"{str(name)!r} is neither a folder nor a collection; there are {', '.join(_KNOWN)}, "
        "any folder of images and any .csv with the columns path,label"
    )
