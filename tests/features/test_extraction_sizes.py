"""The size of resized images, their batches, and the keys that identify images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.extraction import pictures, source
from tests.support.pictures import folder_of, picture
from workbench.collections import images
from workbench.collections.images import read_header
from workbench.config.errors import WorkbenchError
from workbench.features import device
from workbench.features.batches import BATCH, item, plan, target_size
from workbench.features.map_source import Picture


@given(
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    stride=st.sampled_from([8, 14, 16, 32]),
    longest=st.integers(64, 2048),
    scale=st.sampled_from([1.0, 2**-0.5, 0.5]),
)
def test_target_size_is_a_multiple_of_the_stride_within_bounds(
    width: int, height: int, stride: int, longest: int, scale: float
) -> None:
    size = target_size(width, height, longest, stride, scale)
    assert size[::-1] == target_size(height, width, longest, stride, scale)
    factor = min(1.0, longest / max(width, height)) * scale
    for side, before in zip(size, (width, height), strict=True):
        assert side % stride == 0
        assert 2 * stride <= side <= longest
        assert side <= max(2 * stride, before * scale + stride / 2)  # enlarged by rounding only
        if 2 * stride < side < longest // stride * stride:
            assert abs(side - before * factor) <= stride / 2


@given(
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    stride=st.sampled_from([16, 32]),
    longest=st.integers(64, 2048),
    scale=st.sampled_from([1.0, 2**-0.5, 0.5]),
)
def test_exact_size_keeps_the_aspect_ratio(
    width: int, height: int, stride: int, longest: int, scale: float
) -> None:
    size = target_size(width, height, longest, stride, scale, "exact")
    assert size[::-1] == target_size(height, width, longest, stride, scale, "exact")
    assert 2 * stride <= min(size) and max(size) <= longest
    ratio = max(width, height) / min(width, height)
    if ratio * 2 * stride <= longest:  # half a pixel on each side
        assert abs(max(size) - ratio * min(size)) <= 0.5 + 0.5 * ratio + 1e-6
    factor = min(1.0, longest / max(width, height)) * scale
    if min(width, height) * factor >= 2 * stride:
        assert size == tuple(int(side * factor + 0.5) for side in (width, height))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ((1024, 768), (512, 384)),
        ((300, 200), (300, 200)),  # not enlarged
        ((1000, 667), (512, 342)),
        ((100, 40), (160, 64)),  # enlarged to two cells
        ((4000, 100), (512, 64)),  # stretched: two cells need 2560 x 64
        ((10, 10), (64, 64)),
    ],
)
def test_exact_size_by_hand(image: tuple[int, int], expected: tuple[int, int]) -> None:
    assert target_size(*image, 512, 32, resize="exact") == expected


@pytest.mark.parametrize("resize", ["exact", "cells"])
def test_a_file_gets_the_same_maps_inside_and_outside_the_store(resize: str, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"  # decoded at a reduced scale
    picture(3, (1000, 668)).save(path, quality=95)
    map_source = source(tmp_path, size=128, resize=resize)
    keys, _ = map_source.extract([Picture(path)])
    (_, stored), *_ = map_source.batches(keys[0], 0)
    (computed,) = map_source.maps_of(Picture(path))
    assert computed.shape[2:] == stored.shape[2:]
    torch.testing.assert_close(computed, stored.float(), rtol=0, atol=0)
    assert map_source.store(1).folder.name.endswith("exact") == (resize == "exact")


@pytest.mark.parametrize(
    ("image", "longest", "stride", "expected"),
    [
        ((1024, 768), 512, 32, (512, 384)),
        ((300, 200), 512, 32, (288, 192)),  # 9.4 and 6.25 cells
        ((4000, 100), 512, 32, (512, 64)),
        ((10, 10), 512, 32, (64, 64)),
        ((1024, 768), 500, 32, (480, 384)),  # 15.6 cells would be 16, which is more than 500
        ((1024, 768), 518, 14, (518, 392)),
    ],
)
def test_target_size_by_hand(
    image: tuple[int, int], longest: int, stride: int, expected: tuple[int, int]
) -> None:
    assert target_size(*image, longest, stride) == expected


def test_batches_have_one_shape_and_each_image_once(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 60, [(128, 96), (96, 128), (127, 97), (64, 64)])
    headers = {p.path: read_header(p.path) for p in pictures(folder)}
    items = [item(path, header, None, 128, 32, 1.0) for path, header in headers.items()]
    batches = plan([*items, *items[:40]])  # duplicates are planned once
    assert [planned.key for batch in batches for planned in batch] == list(
        dict.fromkeys(planned.key for batch in batches for planned in batch)
    )
    assert sorted(planned.path for batch in batches for planned in batch) == sorted(headers)
    assert all(len({planned.size for planned in batch}) == 1 and len(batch) <= BATCH for batch in batches)
    # 15 images of each of two shapes, 30 of a third, eight per batch
    assert [len(batch) for batch in batches] == [8, 7, 8, 7, 8, 8, 8, 6]


def test_keys_depend_on_file_and_crop_only(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    picture(1, (128, 96)).save(path)
    header = read_header(path)
    whole = item(path, header, None, 128, 32, 1.0)
    crop = item(path, header, (8, 8, 72, 90), 128, 32, 1.0)
    assert whole.key == item(path, header, None, 64, 32, 0.5).key
    assert whole.key != crop.key != item(path, header, (8, 8, 72, 91), 128, 32, 1.0).key
    assert crop.size == (64, 96)  # 64 x 82 pixels


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: device.choose_device("abacus"), "'abacus'.*valid: auto, cpu"),
        (lambda: device.choose_precision("float8", "cpu"), "'float8' is not known.*float32"),
        (lambda: source(Path("nowhere"), resize="square"), "'square' is not known; valid: exact, cells"),
        (lambda: source(Path("nowhere"), size=63), "size 63 is too small.*64 or more"),
    ],
)
def test_invalid_settings_are_reported(call: Callable[[], object], message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        call()


@given(
    corners=st.tuples(*[st.floats(-20, 220)] * 4).filter(
        lambda c: c[0] < min(c[2], 200) and c[1] < min(c[3], 150) and min(c[2:]) > 0
    )
)
def test_a_crop_is_resized_like_a_picture_of_that_crop(corners: images.Box) -> None:
    header = images.Header(200, 150, "key")
    cut = images.crop_to(picture(1, (200, 150)), corners)
    expected = target_size(*cut.size, 128, 8)
    assert item(Path("a.jpg"), header, corners, 128, 8, 1.0).size == expected
