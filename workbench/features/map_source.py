"""Feature maps of images at the scales of a pipeline, extracted through the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from workbench.collections import contents, images
from workbench.common.geometry import Box
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features import batches, map_extraction, openvino_network
from workbench.features.backbones import BackboneSpec
from workbench.features.map_store import MapStore
from workbench.features.passing_maps import passing_maps
from workbench.features.source_network import SourceNetwork
from workbench.features.store import DamagedFiles, repair_notes


@dataclass(frozen=True)
class Picture:
    """An image file to describe and, if it is cropped, the box in pixels."""

    path: Path
    box: Box | None = None


def scale_factor(scale: int) -> float:
    """The factor of the scale-th image scale: 1, 1/√2, 1/2 …"""
    return float(2 ** (-scale / 2))


class UnreadablePictures(WorkbenchError):
    """Pictures cannot be decoded, as was noticed when their maps were needed; ``reasons`` by key."""

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(next(iter(reasons.values())))
        self.reasons = reasons


class MapSource(SourceNetwork):
    """A network cut at a layer, and its stores: one folder for each size and scale."""

    def __init__(self, spec: BackboneSpec, pooling: str, options: Options) -> None:
        super().__init__(spec, pooling, options)
        self._stores: dict[tuple[float, bool], MapStore] = {}  # by scale, and whether OpenVINO made its maps
        self._pictures: dict[str, Picture] = {}  # by key, to extract damaged maps again

    @classmethod
    def of(cls, config: Config, options: Options) -> MapSource:
        return cls(BackboneSpec.parse(config.backbone), config.pooling.name, options)

    def store(self, scale: float) -> MapStore:
        """The store of this network's maps at a factor of the image size."""
        with self._lock:
            return self._opened(scale, self._uses_openvino())

    def _stored_count(self, keys: Sequence[str], openvino: bool) -> int:
        return len(keys) - len(self._opened(1.0, openvino).missing(keys)) if keys else 0

    def _opened(self, scale: float, openvino: bool) -> MapStore:
        """The store of a runtime's maps, opened once."""
        if (scale, openvino) not in self._stores:
            self._stores[scale, openvino] = MapStore(self._folder(scale, openvino))
        return self._stores[scale, openvino]

    def folder(self, scale: float) -> Path:
        """The folder of the store at a factor of the image size, which is not opened."""
        return self._folder(scale, self._uses_openvino())

    def _folder(self, scale: float, openvino: bool) -> Path:
        name = self.spec.name if len(self.spec.name) < 40 else self.spec.name[-40:]
        words = [name, self.layer or "last", self.fingerprint, self.precision, str(self.size)]
        words.append(f"v{map_extraction.VERSION}")
        if self.resize != "cells":  # the only way of earlier versions
            words.append(self.resize)
        if openvino:
            words.append(f"openvino{openvino_network.VERSION}")
        if scale != 1:
            words.append(f"{scale:.3f}")
        folder = "-".join("".join(c if c.isalnum() or c in "._" else "_" for c in word) for word in words)
        return self.options.cache / "maps" / folder

    def identify(
        self, pictures: Sequence[Picture], progress: Progress = silent
    ) -> tuple[dict[int, images.Header], dict[int, str]]:
        """The headers of pictures by position, and {position: reason} of those whose header is unreadable."""
        return contents.of(self.options.cache).headers([picture.path for picture in pictures], progress)

    def keys(
        self, pictures: Sequence[Picture], headers: Mapping[int, images.Header], scales: int = 1
    ) -> tuple[list[str], dict[int, str]]:
        """The key of each picture with a header, else "", and {position: reason} of those that are known to
        be unreadable at one of some scales."""
        self.check_scales(scales)
        keys = {position: batches.key_of(h, pictures[position].box) for position, h in headers.items()}
        self._uses_openvino([*dict.fromkeys(keys.values())])  # before a store is named
        self._pictures.update((key, pictures[position]) for position, key in keys.items())
        unreadable: dict[int, str] = {}
        for n in range(scales):
            store = self.store(scale_factor(n))
            store.refresh()
            reasons = store.reasons(list(keys.values()))
            if reasons:
                unreadable |= {position: reasons[key] for position, key in keys.items() if key in reasons}
        return [keys.get(position, "") for position in range(len(pictures))], unreadable

    def look_up(
        self, pictures: Sequence[Picture], scales: int = 1, progress: Progress = silent
    ) -> tuple[list[list[str]], dict[int, str]]:
        """As ``extract``, without extraction: pictures that cannot be decoded may not be known yet."""
        headers, unreadable = self.identify(pictures, progress)
        names, reasons = self.keys(pictures, headers, scales)
        return [names] * scales, unreadable | reasons

    def extract(
        self, pictures: Sequence[Picture], scales: int = 1, progress: Progress = silent
    ) -> tuple[list[list[str]], dict[int, str]]:
        """Extract and store all maps. Returns keys [scale][picture] and {position: why it is unreadable}."""
        headers, unreadable = self.identify(pictures, progress)
        names, _ = self.keys(pictures, headers, scales)
        for n in range(scales):
            if self.store(scale_factor(n)).missing([names[position] for position in headers]):
                items = [self._item(pictures[position], header, n) for position, header in headers.items()]
                reasons = self._fill(items, n, progress)
            else:
                reasons = self.store(scale_factor(n)).reasons(names)
            unreadable |= {
                position: reasons[names[position]] for position in headers if names[position] in reasons
            }
        return [names] * scales, unreadable

    def _item(self, picture: Picture, header: images.Header, scale: int) -> batches.Item:
        return batches.item(
            picture.path,
            header,
            picture.box,
            self.options.size,
            self.card.stride,
            scale_factor(scale),
            self.resize,
            self.fixed,
            self.card.interpolation,
        )

    def _fill(self, items: Sequence[batches.Item], scale: int, progress: Progress) -> dict[str, str]:
        """Store the maps of items at the scale-th scale that are missing. Returns {key: reason}."""
        store = self.store(scale_factor(scale))
        cluster = None
        if self.options.scheduler != "local":
            from workbench.features.map_recipe import cluster_runner

            cluster = cluster_runner(self, scale_factor(scale), store.folder, items)
        return map_extraction.extract(items, store, self.network, progress, self._task(scale), cluster)

    def _task(self, scale: int) -> str:
        return f"extracting {self.spec.name}" + (f" at scale {scale_factor(scale):.2f}" if scale else "")

    def _items(self, keys: Sequence[str], scale: int) -> dict[str, batches.Item]:
        """The items of those keys whose pictures are known and readable."""
        pictures = [self._pictures[key] for key in dict.fromkeys(keys) if key in self._pictures]
        headers, _ = self.identify(pictures)
        items = [self._item(pictures[row], header, scale) for row, header in headers.items()]
        return {item.key: item for item in items}

    def batches(
        self, keys: Sequence[str], scale: int, progress: Progress = silent
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Yield (positions in ``keys``, maps [B, C, H, W] in float16) of the scale-th scale.

        Maps that are not stored, or whose files are damaged, are extracted again. Raises WorkbenchError if
        their images have changed, and UnreadablePictures, at the end, if some cannot be decoded.
        """
        store = self.store(scale_factor(scale))
        if self.options.maps == "none" and store.missing(keys):
            yield from self._passing(keys, scale, progress)
            return
        try:
            for positions, maps in store.batches(keys):
                yield positions, maps.permute(0, 3, 1, 2)
        except DamagedFiles as error:
            lost = [keys[position] for position in error.positions]
            items = self._items(lost, scale)
            reasons = self._fill(list(items.values()), scale, progress)
            if reasons:
                raise UnreadablePictures(reasons) from None
            if store.missing(lost):
                raise
            for positions, maps in store.batches(lost):
                yield [error.positions[position] for position in positions], maps.permute(0, 3, 1, 2)

    def _passing(
        self, keys: Sequence[str], scale: int, progress: Progress
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        """As ``batches``, with maps that are not stored."""
        positions: dict[str, list[int]] = {}
        for position, key in enumerate(keys):
            positions.setdefault(key, []).append(position)
        items = self._items(keys, scale)
        if positions.keys() - items.keys():
            raise WorkbenchError("images have changed since they were described; run again")
        store, task = self.store(scale_factor(scale)), self._task(scale) + ", whose maps are not stored"
        unreadable: dict[str, str] = {}
        for names, maps, lost in passing_maps(list(items.values()), store, self.network, progress, task):
            unreadable |= lost
            rows = [row for row, name in enumerate(names) for _ in positions[name]]
            if rows:
                at = [position for name in names for position in positions[name]]
                yield at, maps[rows].permute(0, 3, 1, 2)
        if unreadable:
            raise UnreadablePictures(unreadable)

    @property
    def notes(self) -> list[str]:
        """The notes on stored maps, which are shown with every number that is computed from them."""
        with self._lock:
            choice = self._choice
            stores = [store for of, store in self._stores.items() if choice and of[1] == choice.openvino]
        damaged = sum(len(store.damaged) for store in stores)
        notes = [*(choice.notes if choice else ()), *repair_notes(damaged, "feature maps")]
        if self.options.maps != "all":
            kept = "no feature map is" if self.options.maps == "none" else "not all feature maps are"
            notes.append(
                f"{kept} kept on disk (--maps {self.options.maps}): explanations, searches of regions and "
                "other poolings run the network again"
            )
        return notes

    def maps_of(self, picture: Picture | Image.Image, scales: int = 1) -> list[torch.Tensor]:
        """Maps [1, C, H, W] of a file or a decoded image, one for each scale, without the store.

        A file is decoded as for the store. Raises WorkbenchError if it cannot be read.
        """
        self.check_scales(scales)
        maps = []
        for n in range(scales):
            if isinstance(picture, Picture):
                pixels = batches.decode(self._item(picture, images.header(picture.path), n))
            else:
                stride, factor = self.card.stride, scale_factor(n)
                size = batches.target_size(*picture.size, self.options.size, stride, factor, self.resize)
                pixels = batches.pixels(picture, size, self.fixed, self.card.interpolation)
            maps.append(map_extraction.run(self.network(), [pixels]).float().permute(0, 3, 1, 2))
        return maps
