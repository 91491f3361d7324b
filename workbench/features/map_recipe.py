"""Feature maps on a cluster: what a worker needs to build the extractor of a MapSource."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features import cluster
from workbench.features.backbones import BackboneSpec
from workbench.features.batches import Item
from workbench.features.extraction import Runner
from workbench.features.map_extraction import MapExtractor
from workbench.features.map_store import MapStore
from workbench.features.openvino_network import MANY, OpenVINONetwork

if TYPE_CHECKING:
    from workbench.features.map_source import MapSource


@dataclass(frozen=True)
class MapRecipe:
    """A network and the folder of its maps at one scale. ``sizes``: the common (width, height) of images.

    ``opens`` makes the source of maps of a network; ``factor`` is that of the image size.
    """

    opens: Callable[[BackboneSpec, str, Options], MapSource]
    spec: BackboneSpec
    pooling: str
    options: Options
    factor: float
    folder: Path
    sizes: tuple[tuple[int, int], ...]

    def __call__(self) -> MapExtractor:
        """Build the extractor. Raises WorkbenchError if it would make maps of another folder."""
        source = self.opens(self.spec, self.pooling, self.options)
        folder = source.folder(self.factor)
        if folder.name != self.folder.name:
            raise WorkbenchError(
                f"its maps of {self.spec.name} would be {folder.name!r} and not {self.folder.name!r}, so the "
                "weights, the device or the version are not the same; install the same there"
            )
        network = source.network()
        if isinstance(network, OpenVINONetwork):
            network.prepare(size for size in self.sizes for _ in range(MANY))
        return MapExtractor(network, MapStore(self.folder, write_only=True))


def cluster_runner(source: MapSource, factor: float, folder: Path, items: Sequence[Item]) -> Runner:
    """The Runner of the cluster that the options of a source name. Raises WorkbenchError without Dask."""
    options = replace(
        cluster.portable(source.options),
        precision=source.precision,  # of each machine it might be another
        runtime=source.runtime.partition(" ")[0],
    )
    common = Counter(item.size for item in items).most_common(4)
    sizes = tuple(size for size, count in common if count >= MANY)
    recipe = MapRecipe(type(source), source.spec, source.pooling, options, factor, folder, sizes)
    return cluster.cluster_runner(source.options.scheduler, folder, recipe)
