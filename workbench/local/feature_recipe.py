"""Local features on a cluster: what a worker needs to build the extractor of a LocalSource."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.config.errors import WorkbenchError
from workbench.config.options import Options

if TYPE_CHECKING:
    from workbench.local.feature_store import FeatureExtractor
    from workbench.local.local_source import LocalSource


@dataclass(frozen=True)
class FeatureRecipe:
    """A kind of local features and the folder of its store; ``opens`` makes the source of a kind."""

    opens: Callable[[str, Options], LocalSource]
    name: str
    options: Options
    folder: Path

    def __call__(self) -> FeatureExtractor:
        """Build the extractor. Raises WorkbenchError if it would make features of another folder."""
        source = self.opens(self.name, self.options)
        if source.folder.name != self.folder.name:
            raise WorkbenchError(
                f"its features {self.name} would be {source.folder.name!r} and not {self.folder.name!r}, so "
                "the weights or the version are not the same; install the same there"
            )
        return source.extractor(self.folder)
