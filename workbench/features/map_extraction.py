"""Extract feature maps by a network into the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from workbench.common.progress import Progress, silent
from workbench.features.batches import BATCH, Item
from workbench.features.extraction import Runner, fill_store
from workbench.features.map_store import MapStore
from workbench.features.network import Network
from workbench.features.openvino_network import OpenVINONetwork

VERSION = 2  # increased when the same image and weights give other maps


def run(network: Network | OpenVINONetwork, pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Images of one shape, uint8 [height, width, 3], to float16 maps [B, h, w, C] on the CPU."""
    maps = network(torch.from_numpy(np.stack(pictures))).permute(0, 2, 3, 1)
    if maps.dtype == torch.float16 and maps.is_cpu and _are_finite(maps.numpy()):
        return maps
    return maps.clamp(-65504, 65504).to(torch.float16).cpu().nan_to_num_(0.0)


def _are_finite(halves: np.ndarray) -> bool:
    """Whether numbers of float16 are finite: not all bits of their exponents are set."""
    return int((halves.view(np.uint16) & 0x7FFF).max(initial=0)) < 0x7C00


@dataclass(frozen=True)
class MapExtractor:
    """Computes feature maps with a network."""

    network: Network | OpenVINONetwork
    store: MapStore

    def __call__(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        return run(self.network, pictures)

    def together(self, size: tuple[int, int]) -> int:
        if isinstance(self.network, OpenVINONetwork):
            return 1  # a stream of OpenVINO on each core
        # On a CPU only as many as fit into its cache.
        return max(1, 2**19 // (size[0] * size[1])) if self.network.device.type == "cpu" else BATCH

    def keep(self, keys: Sequence[str], made: Sequence[Any], unreadable: dict[str, str]) -> None:
        self.store.write(keys, torch.cat(list(made)) if made else None, unreadable)


def extract(
    items: Sequence[Item],
    store: MapStore,
    network: Callable[[], Network | OpenVINONetwork],
    progress: Progress = silent,
    task: str = "extracting",
    cluster: Runner | None = None,
) -> dict[str, str]:
    """Add the missing maps of all items to the store. Returns {key: reason} of unreadable images.

    ``network`` is called only if maps are missing, and not if the ``cluster`` makes them.
    """

    def maker() -> MapExtractor:
        built = network()
        if isinstance(built, OpenVINONetwork):
            missing = store.missing([item.key for item in items])
            built.prepare(item.size for item in items if item.key in missing)
        return MapExtractor(built, store)

    return fill_store(items, store, maker, progress, task, cluster=cluster)
