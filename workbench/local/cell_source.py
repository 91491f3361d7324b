"""The cells of a backbone's stored maps as local features of pictures, in place of detected keypoints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from PIL import Image

from workbench.common.files import replace_file
from workbench.common.progress import Progress, interruptible, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.config.steps import Step
from workbench.descriptors.named_whitening import named_whitenings
from workbench.descriptors.whitening import MAX_VECTORS, Whitening
from workbench.features.backbones import BackboneSpec
from workbench.features.map_source import MapSource, Picture, scale_factor
from workbench.local.cells import MOST, CellFeatures, strongest_cells

VERSION = 1  # increased when the same maps give other cells
CHUNK = 64  # pictures whose maps are held at a time
MOST_BYTES = 2**29  # of descriptors kept in memory between two passes over all pictures


@dataclass(frozen=True, eq=False)
class CellSource:
    """The strongest cells of a network's maps at some ``scales``, whitened (``local.cells``).

    Nothing of it is stored: cells are selected and whitened from the stored maps whenever they are read, and
    where maps are not kept (``--maps none``) the network runs again.
    """

    maps: MapSource
    scales: int
    whitening: Whitening | None = field(repr=False)

    @property
    def spec(self) -> BackboneSpec:
        return self.maps.spec

    @property
    def options(self) -> Options:
        return self.maps.options

    @property
    def identity(self) -> str:
        """A text that differs where the cells of the same pictures differ."""
        digest = blake2b(digest_size=8)
        if self.whitening is not None:
            digest.update(self.whitening.mean.numpy().tobytes())
            digest.update(self.whitening.projection.numpy().tobytes())
        return f"cells {VERSION} {MOST} {_stores(self.maps, self.scales)} {digest.hexdigest()}"

    def __contains__(self, key: str) -> bool:
        """Whether a key is that of a picture."""
        return bool(key)

    def read(self, keys: Sequence[str]) -> Iterator[tuple[int, CellFeatures]]:
        """Yield (position in ``keys``, cells), in order."""
        for first in range(0, len(keys), CHUNK):
            chunk = keys[first : first + CHUNK]
            maps: list[list[torch.Tensor]] = [[] for _ in chunk]
            for scale in range(self.scales):
                for positions, batch in self.maps.batches(chunk, scale):
                    for position, row in zip(positions, batch, strict=True):
                        maps[position].append(row[None])
            for position, of_picture in enumerate(maps):
                yield first + position, self._cells(of_picture)

    def by_row(self, keys: Sequence[str]) -> Mapping[int, CellFeatures]:
        """The cells of pictures by position in ``keys``: kept while they fit, else read when asked for."""
        return _CellsByRow(self, keys)

    def features(self, picture: Picture) -> CellFeatures | None:
        """The cells of a picture of which maps are stored; None if they are not."""
        headers, _ = self.maps.identify([picture])
        keys, unreadable = self.maps.keys([picture], headers, self.scales)
        stores = [self.maps.store(scale_factor(scale)) for scale in range(self.scales)]
        if unreadable or not keys[0] or any(store.missing(keys) for store in stores):
            return None
        return next(self.read(keys))[1]

    def features_of(self, picture: Picture | Image.Image) -> CellFeatures:
        """The cells of a file or of a decoded image, by the network. Raises WorkbenchError if unreadable."""
        return self._cells(self.maps.maps_of(picture, self.scales))

    def _cells(self, maps: Sequence[torch.Tensor]) -> CellFeatures:
        with torch.no_grad():
            return strongest_cells(
                [scale_map.float() for scale_map in maps], self.whitening, self.maps.card.stride
            )


class _CellsByRow(Mapping[int, CellFeatures]):
    """Cells by row, of which up to ``MOST_BYTES`` stay in memory; rows are best asked for in order."""

    def __init__(self, source: CellSource, keys: Sequence[str]) -> None:
        self._source, self._pictures = source, keys
        self._chunks: dict[int, list[CellFeatures]] = {}

    def __len__(self) -> int:
        return len(self._pictures)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._pictures)))

    def __getitem__(self, row: int) -> CellFeatures:
        number, position = divmod(row, CHUNK)
        if number not in self._chunks:
            held = (cells.stored.nbytes for chunk in self._chunks.values() for cells in chunk)
            if sum(held) > MOST_BYTES:
                self._chunks.clear()
            keys = self._pictures[number * CHUNK : (number + 1) * CHUNK]
            self._chunks[number] = [cells for _, cells in self._source.read(keys)]
        return self._chunks[number][position]


def cell_source(
    source: MapSource,
    keys: Sequence[str],
    config: Config,
    fit_on: Sequence[int],
    provenance: Mapping[str, Any],
    progress: Progress = silent,
) -> CellSource:
    """The cells of a pipeline's maps: with its named whitening, or one that is fitted to pictures' cells.

    ``fit_on`` are rows of ``keys``. A fitted whitening is cached on disk. Raises WorkbenchError if the layer
    gives vectors, or for ``lw``, which is not fitted but trained.
    """
    for scale in range(config.scales):
        # All keys, so that missing maps are extracted together; one where they are not kept.
        pictures = keys[:1] if source.options.maps == "none" else keys
        _, maps = next(source.batches(pictures, scale, progress))
    if maps.shape[2:] == (1, 1) and source.gives_vectors:
        raise WorkbenchError(
            f"backbone {config.backbone}: its layer gives one vector for the whole picture, so there are no "
            f"cells for {config.pooling.name}; name a layer that gives a map"
        )
    step = next(iter(config.whitenings), None)
    if step is None:
        return CellSource(source, config.scales, None)
    named = named_whitenings(config, source)
    if step in named:
        return CellSource(source, config.scales, named[step])
    if step.name == "lw":
        raise WorkbenchError(
            f"step {step}: the whitening of cells is trained before it is used: workbench train whitening "
            f"COLLECTION {config.description} --name NAME, then {step}:NAME; without training "
            f"pcaw:{step.args[0]:g}"
        )
    fitted = fitted_whitening(source, keys, step, config.scales, fit_on, provenance, progress)
    return CellSource(source, config.scales, fitted)


def fitted_whitening(
    source: MapSource,
    keys: Sequence[str],
    step: Step,
    scales: int,
    fit_on: Sequence[int],
    provenance: Mapping[str, Any],
    progress: Progress = silent,
) -> Whitening:
    """PCA whitening of the cells of the pictures ``fit_on``, of a sample where there are many; cached."""
    digest = blake2b(digest_size=12)
    settings = (VERSION, MOST, _stores(source, scales), step, source.options.seed, dict(provenance), *fit_on)
    for part in (*settings, *(keys[row] for row in fit_on)):
        digest.update(f"{part} ".encode(errors="surrogateescape"))
    path = source.options.cache / "words" / f"whitening-{digest.hexdigest()}.safetensors"
    with contextlib.suppress(WorkbenchError):  # missing or damaged: it is fitted again
        return Whitening.load(path)
    sample = sampled_cells(CellSource(source, scales, None), [keys[row] for row in fit_on], progress)

    def fit() -> Whitening:
        return Whitening.fit(
            sample, int(step.args[0]), step.name, provenance=dict(provenance), strength=step.strength
        )

    fitted = interruptible(fit, progress, "whitening of cells")
    with contextlib.suppress(WorkbenchError):  # an unwritable cache costs time, not the whitening
        replace_file(path, fitted.to_bytes())
    return fitted


def sampled_cells(source: CellSource, keys: Sequence[str], progress: Progress = silent) -> torch.Tensor:
    """Descriptors of cells drawn at random from all pictures, at most about 65,536: float32 [n, C]."""
    rng = np.random.default_rng([source.maps.options.seed, 7])
    share = MAX_VECTORS / (MOST * max(1, len(keys)))
    vectors = []
    for done, (_, cells) in enumerate(source.read(keys)):
        progress("sampling cells for the whitening", done, len(keys))
        chosen = rng.random(len(cells)) < share if share < 1 else slice(None)
        vectors.append(torch.from_numpy(cells.descriptors[chosen]))
    return torch.cat(vectors) if vectors else torch.zeros(0, 0)


def _stores(source: MapSource, scales: int) -> list[str]:
    return [source.folder(scale_factor(scale)).name for scale in range(scales)]
