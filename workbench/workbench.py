"""The workbench: a bench with its panels, and how to open one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.bench.bench import Bench
from workbench.collections.catalog import open_collection
from workbench.collections.distractors import check, with_distractors
from workbench.collections.video.sampling import Sampling
from workbench.common.notebook_progress import notebook_progress
from workbench.common.paths import user_folder
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options, default_cache

if TYPE_CHECKING:
    import ipywidgets
    import pandas as pd


class Workbench(Bench):
    """A bench with its panels: ``show()``, ``query_panel()`` and so on, one for each entry of
    ``panels.layout.PANELS``. All panels of a bench are linked, in whichever cells they are shown."""

    def __getattr__(self, name: str) -> Callable[[], ipywidgets.Widget]:
        if name == "show" or name.endswith("_panel"):
            from workbench.panels import layout  # widgets are imported when a panel is first opened

            if name in layout.PANELS:
                method = partial(layout.open_panel, name, self)
                method.__doc__ = layout.PANELS[name].__doc__
                return method
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        from workbench.panels import layout

        return [*super().__dir__(), *layout.PANELS]


def open_workbench(
    name: str | Path | pd.DataFrame,
    labels: str = "none",
    progress: Progress = notebook_progress,
    **options: Any,
) -> Workbench:
    """Open a collection by name, folder, CSV or table (``collections.labels``). ``options``: as Options."""
    unknown = set(options) - set(Options.__dataclass_fields__)
    if unknown:
        raise WorkbenchError(
            f"option {sorted(unknown)[0]!r} is not known; valid: {', '.join(Options.__dataclass_fields__)}"
        )
    cache, weights = options.get("cache"), options.get("weights")
    distractors = str(options.get("distractors") or "")
    check(distractors)
    chosen = replace(
        Options(**options),
        cache=user_folder(default_cache() if cache is None else cache, "cache"),
        weights=None if weights is None else user_folder(weights, "weights"),
        distractors=distractors,
    )
    sampling = Sampling(chosen.fps, chosen.per_shot, chosen.shots, chosen.cache, chosen.device)
    collection = open_collection(name, labels, chosen.cache, progress, sampling)
    return Workbench(with_distractors(collection, distractors, progress, chosen.cache), chosen)
