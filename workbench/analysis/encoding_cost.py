"""What it costs to encode a picture on a phone: the time, and the bytes of the network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from workbench.engine.description import DescribedCollection, require_maps
from workbench.engine.queries import query_vector
from workbench.features.device import single_threaded_operations

if TYPE_CHECKING:
    pass


def encoding_milliseconds(described: DescribedCollection, pictures: Sequence[Image.Image]) -> float:
    """The median milliseconds from a picture to its vector on one thread, after a first one."""
    with single_threaded_operations():
        seconds = []
        for picture in [pictures[0], *pictures]:
            started = time.perf_counter()
            query_vector(described, picture)
            seconds.append(time.perf_counter() - started)
    return 1000 * float(np.median(seconds[1:]))


def network_bytes(described: DescribedCollection) -> int:
    """The bytes of the network and the whitenings with weights in half precision, as a file has them."""
    from workbench.features import models

    source = require_maps(described.source)
    options = source.options
    network = models.load_network(source.spec, source.layer, options.weights, "cpu", "float32", options.seed)
    fitted = [w for w in (*described.descriptors.regional, *described.descriptors.final) if w is not None]
    numbers = sum(p.numel() for p in _used(network)) + sum(w.projection.numel() for w in fitted)
    return 2 * numbers


def _used(network: Any) -> Iterator[torch.Tensor]:
    """The weights of the modules that run before the layer at which the network is cut."""
    ran = list[Any]()
    hooks = [
        module.register_forward_pre_hook(lambda module, _: ran.append(module))
        for module in network.model.modules()
        if not list(module.children())
    ]
    try:
        network(torch.zeros(1, 224, 224, 3, dtype=torch.uint8))
    finally:
        for hook in hooks:
            hook.remove()
    for module in dict.fromkeys(ran):
        yield from module.parameters(recurse=False)
