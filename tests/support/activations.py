"""Activations of a generated picture, made in milliseconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.support.pictures import picture
from workbench.collections.named_picture import NamedPicture
from workbench.config.steps import Step
from workbench.descriptors.regions import rmac
from workbench.explain.activations import Activations, region_levels
from workbench.explain.components import Components, components


def ramp_activations(
    name: str = "a.jpg", pipeline: str = "resnet18/max/rmac:2", collection: str = "photos"
) -> Activations:
    """Two channels on 4 × 3 cells: 3 and 4 times a ramp from left to right, so that its norm is 5 times it.

    The regions are those of R-MAC with two levels on this map; the weight of a region is its number.
    """
    ramp = np.tile(np.arange(4.0), (3, 1))
    maps = np.stack([3 * ramp, 4 * ramp]).astype(np.float32)
    boxes = rmac(3, 4, 2)
    levels = region_levels(Step.parse("regions", "rmac:2"), 3, 4)
    numbers = np.arange(len(boxes), dtype=np.float32)
    seen = Activations(maps, np.ones((3, 4), np.float32), boxes / [4, 3, 4, 3], levels, numbers, numbers + 1)
    shown = NamedPicture(name, picture(0, (400, 300)))
    return replace(seen, picture=shown, collection=collection, pipeline=pipeline)


def ramp_components(
    name: str = "a.jpg",
    other: str = "b.jpg",
    pipeline: str = "resnet18/max/rmac:2",
    collection: str = "photos",
) -> Components:
    """Three channels on 4 × 3 cells, and the same mirrored: equal cells are in opposite columns."""
    across, down = np.meshgrid(np.arange(4.0), np.arange(3.0))
    maps = np.stack([across, down, np.ones((3, 4))])
    pictures = (NamedPicture(name, picture(0, (400, 300))), NamedPicture(other, picture(1, (400, 300))))
    both = components(maps, maps[:, :, ::-1])
    return replace(both, pictures=pictures, pipeline=pipeline, collection=collection)
