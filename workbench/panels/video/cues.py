"""The files of a list of cues that a panel offers: storyboard, cue sheet and edit decision list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from workbench.collections.video.cue import Cue
from workbench.panels.widgets.download import File
from workbench.report.cue_files import cue_file

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

KINDS = {"Storyboard (PNG)": ".png", "Cue sheet (CSV)": ".csv", "Edit decision list (EDL)": ".edl"}


def cue_files(bench: Bench, title: str, cues: Callable[[], Sequence[Cue]]) -> dict[str, File]:
    """What the menu calls each file, and the function that makes it."""

    def make(kind: str) -> tuple[str, bytes]:
        return f"{title}{kind}", cue_file(kind, bench.collection, cues(), title)

    return {label: lambda kind=kind: make(kind) for label, kind in KINDS.items()}  # type: ignore[misc]
