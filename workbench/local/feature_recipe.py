"""Local features on a cluster: what a worker needs to build the extractor of a LocalSource."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.local.features import FeatureExtractor, FeatureStore, LocalSource


class _OutputStore(FeatureStore):
    """A store that is only written to: the files in it are not read."""

    def refresh(self) -> None:
        """Nothing is read."""


@dataclass(frozen=True)
class FeatureRecipe:
    """A kind of local features and the folder of its store."""

    name: str
    options: Options
    folder: Path

    def __call__(self) -> FeatureExtractor:
        """Build the extractor. Raises WorkbenchError if it would make features of another folder."""
        source = LocalSource(self.name, self.options)
        if source.folder.name != self.folder.name:
            raise WorkbenchError(
                f"its features {self.name} would be {source.folder.name!r} and not {self.folder.name!r}, so "
                "the weights or the version are not the same; install the same there"
            )
        return FeatureExtractor(source.describe(), _OutputStore(self.folder))
