"""The catalog of collections: the embedded ones, the benchmarks, the user's folders and CSV tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.collections.collection import Collection
from workbench.collections.download import SOURCES
from workbench.collections.folder import open_folder
from workbench.collections.folder_labels import check_labels
from workbench.collections.holidays import open_holidays
from workbench.collections.labels import open_csv, open_table
from workbench.collections.oxford import open_oxford
from workbench.collections.revisited import open_revisited
from workbench.collections.ukbench import open_ukbench
from workbench.collections.video.sampling import DEFAULT, Sampling
from workbench.common.paths import user_path
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError

if TYPE_CHECKING:
    import pandas as pd

_OPENERS: dict[str, Callable[..., Collection]] = {
    "oxford5k": partial(open_oxford, name="oxford5k"),
    "paris6k": partial(open_oxford, name="paris6k"),
    "roxford5k": partial(open_revisited, name="roxford5k"),
    "rparis6k": partial(open_revisited, name="rparis6k"),
    "holidays": open_holidays,
    "ukbench": open_ukbench,
}


@dataclass(frozen=True)
class Entry:
    """A named collection. ``bytes`` is the approximate size of its download, 0 if there is none."""

    name: str
    title: str
    images: int  # in the database
    queries: int
    bytes: int
    origin: str
    present: bool


# name → title, database images, queries, origin and terms
_COLLECTIONS: dict[str, tuple[str, int, int, str]] = {
    "posters": ("Posters in scenes (semi-synthetic)", 630, 60, "made here from photographs in packages"),
    "reels": ("Videos of posters (semi-synthetic)", 575, 30, "made here from photographs in packages"),
    "oxford5k": ("Oxford5k", 5063, 55, "VGG, Oxford; photographs under Flickr's terms"),
    "paris6k": ("Paris6k", 6392, 55, "VGG, Oxford; photographs under Flickr's terms"),
    "roxford5k": ("Revisited Oxford", 4993, 70, "CMP, Prague; photographs under Flickr's terms"),
    "rparis6k": ("Revisited Paris", 6322, 70, "CMP, Prague; photographs under Flickr's terms"),
    "holidays": ("INRIA Holidays", 1491, 500, "copyright INRIA, to be cited, as is"),
    "ukbench": ("UKBench", 10200, 10200, "University of Kentucky, to be cited; no licence stated"),
}


def catalog(cache: Path) -> list[Entry]:
    """The named collections, and whether each is in ``cache`` already."""
    return [
        Entry(
            name,
            title,
            images,
            queries,
            sum(source.about for source in SOURCES.get(name, ())),
            origin,
            (cache / name).is_dir(),
        )
        for name, (title, images, queries, origin) in _COLLECTIONS.items()
    ]


def open_collection(
    name: str | Path | pd.DataFrame,
    labels: str = "none",
    cache: Path = Path("data"),
    progress: Progress = silent,
    sampling: Sampling = DEFAULT,
) -> Collection:
    """Open a collection: ``posters``, ``reels``, a benchmark, ``BENCHMARK:FOLDER``, a CSV, table or folder.

    Without a folder, a benchmark is read from ``cache/NAME``. ``labels`` (``none``, ``folders`` or
    ``folders:last``) applies to folders; ``sampling`` chooses the moments of videos. Write
    ``./NAME`` for a folder that has the name of a benchmark.
    Raises WorkbenchError with the path that was tried and the remedy.
    """
    check_labels(labels)
    if not isinstance(name, str | Path):
        import pandas as pd

        if isinstance(name, pd.DataFrame):
            return open_table(name, progress, cache)
    if isinstance(name, str):
        if name == "posters":
            from workbench.collections.posters.collection import (
                open_posters,  # the only one that needs OpenCV
            )

            return open_posters(cache / name, progress)
        if name == "reels":
            from workbench.collections.reels.collection import open_reels

            return open_reels(cache / name, progress, sampling)
        # Only the name of a benchmark has a meaning before the colon, so that C:\photos stays a path.
        benchmark, colon, folder = name.partition(":")
        if benchmark in _OPENERS:
            root = user_path(folder, f"the folder of {benchmark}") if folder else cache / benchmark
            if not root.is_dir() or (colon and not folder):
                raise WorkbenchError(
                    f"{benchmark} is not in {str(root)!r}; run: workbench fetch {benchmark}, "
                    f"or name its folder: {benchmark}:FOLDER"
                )
            return _OPENERS[benchmark](root, progress=progress, cache=cache)
    path = user_path(name, "collection")
    if path.is_dir():
        return open_folder(path, labels, progress, sampling, cache)
    if path.suffix.lower() == ".csv":
        return open_csv(path, progress, cache)
    if path.exists():
        raise WorkbenchError(
            f"{str(name)!r} is a file; a collection is a folder of images or a .csv of labels"
        )
    raise WorkbenchError(
        f"{str(name)!r} is neither a folder nor a collection; valid: {', '.join(_COLLECTIONS)}, "
        "a folder of images, a .csv with the columns path,label"
    )
