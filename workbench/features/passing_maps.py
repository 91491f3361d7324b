"""Maps that are computed again at each use and not stored (the option ``maps`` is ``none``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from workbench.common.progress import Progress, silent
from workbench.features import batches, map_extraction
from workbench.features.map_store import MapStore
from workbench.features.network import Network
from workbench.features.openvino_network import OpenVINONetwork

TOGETHER = 256  # images whose maps are in memory at a time, 40 MB of the embedded backbone's at 512 pixels


class PassingStore(MapStore):
    """Maps of a few images in memory. The ``folder`` is that of the store they would be in, for its lock."""

    def __init__(self, folder: Path) -> None:
        self.made: dict[str, torch.Tensor] = {}
        super().__init__(folder)

    def refresh(self) -> None:
        """There are no files."""

    def remove_parts(self) -> None:
        """There are none."""

    def pack(self, progress: Progress = silent, order: Sequence[str] = (), *_: int) -> None:
        """There are no files."""

    def missing(self, keys: Sequence[str]) -> set[str]:
        return set(keys) - self.made.keys() - self._unreadable.keys()

    @property
    def undecodable(self) -> dict[str, str]:
        return self._unreadable

    def _write(
        self, keys: Sequence[str], tensors: dict[str, torch.Tensor], unreadable: dict[str, str]
    ) -> None:
        self.made.update(zip(keys, tensors["maps"] if keys else (), strict=True))
        self._unreadable.update(unreadable)


def passing_maps(
    items: Sequence[batches.Item],
    stored: MapStore,
    network: Callable[[], Network | OpenVINONetwork],
    progress: Progress,
    task: str,
) -> Iterator[tuple[list[str], torch.Tensor, dict[str, str]]]:
    """Yield (keys, maps [B, H, W, C] in float16, {key: reason} of the unreadable) of the batches of items.

    Images that cannot be decoded are noted in the store that the maps would be in.
    """
    first: dict[str, int] = {}
    for number, item in enumerate(items):
        first.setdefault(item.key, number)
    planned = sorted(batches.plan(items), key=lambda batch: first[batch[0].key])
    part, done = list[list[batches.Item]](), 0

    def reported(name: str, count: int, total: int) -> None:
        progress(name, done + count if total else 0, len(first) if total else 0)

    for number, batch in enumerate(planned, 1):
        part.append(batch)
        if sum(map(len, part)) < TOGETHER and number < len(planned):
            continue
        store = PassingStore(stored.folder)
        block = [item for some in part for item in some]
        reasons = map_extraction.extract(block, store, network, reported, task)
        if store.undecodable:
            stored.write([], None, store.undecodable)
        for some in part:
            keys = [item.key for item in some if item.key in store.made]
            lost = {item.key: reasons[item.key] for item in some if item.key in reasons}
            yield keys, torch.stack([store.made.pop(key) for key in keys]) if keys else torch.empty(0), lost
        part, done = [], done + len(block)
