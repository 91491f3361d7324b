"""Places: transformed keypoints by hand, random views and their homographies, batches, stored files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save_file

from tests.support.things import thing
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.learning.hardnet.batches import APART, draw_batch, draw_batches
from workbench.learning.hardnet.correspondence import (
    ANGLE,
    SCALE_RATIO,
    match_keypoints,
    transform_keypoints,
)
from workbench.learning.hardnet.patch_pairs import Places, collect_places, find_places, random_view
from workbench.local.patches import cut_patches

SIDE, VIEWS = 160, 2


def same(first: Places, second: Places) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("patches", "starts", "photo", "at")
    )


# -- keypoints under a homography --


def similarity(scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    """The matrix of a similarity; the rotation is clockwise in the picture, because y points down."""
    c, s = scale * np.cos(np.deg2rad(degrees)), scale * np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, shift[0]], [s, c, shift[1]], [0, 0, 1]])


def keypoints(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_transform_keypoints_by_a_similarity_by_hand() -> None:
    """x = 10 + 2 (5 cos 30 - 7 sin 30), y = -3 + 2 (5 sin 30 + 7 cos 30); 350 + 30 degrees are 20."""
    points = keypoints((5, 7, 4, 350), (0, 0, 3, 45))
    transformed = transform_keypoints(points, similarity(2, 30, (10, -3)))
    half = 3**0.5 / 2
    first = [10 + 2 * (5 * half - 3.5), -3 + 2 * (2.5 + 7 * half), 8, 20]
    np.testing.assert_allclose(transformed, [first, [10.0, -3, 6, 75]], atol=1e-6)


def test_transform_keypoints_by_stretch_and_perspective_by_hand() -> None:
    """Stretched three times in x, the angle 45 degrees becomes atan(1/3) and the area is tripled. At x = 1 of
    u = x/(1+x), v = y/(1+x): du/dx = 1/4, dv/dx = -y/4, dv/dy = 1/2."""
    wide = transform_keypoints(keypoints((2, 5, 4, 45)), np.diag([3.0, 1, 1]))
    np.testing.assert_allclose(wide, [[6, 5, 4 * 3**0.5, np.rad2deg(np.arctan(1 / 3))]], atol=1e-6)
    matrix = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 1]])
    transformed = transform_keypoints(keypoints((1, 6, 8, 0), (1, 6, 8, 90)), matrix)
    angle = np.rad2deg(np.arctan2(-6 / 4, 1 / 4)) % 360
    np.testing.assert_allclose(
        transformed, [[0.5, 3, 8 / 8**0.5, angle], [0.5, 3, 8 / 8**0.5, 90]], atol=1e-5
    )


def scattered(rng: np.random.Generator, count: int) -> np.ndarray:
    positions, sizes = rng.uniform(0, 200, (count, 2)), rng.uniform(2, 30, count)
    return np.column_stack([positions, sizes, rng.uniform(0, 360, count)]).astype(np.float32)


def homography_of(rng: np.random.Generator) -> np.ndarray:
    """The homography of a random view; the whole picture is in front of the camera."""
    matrix = similarity(rng.uniform(0.3, 3), rng.uniform(0, 360), (rng.uniform(-90, 90), 5)) @ np.array(
        [[1, rng.uniform(-0.5, 0.5), 0], [0, rng.uniform(0.5, 2), 0], [*rng.uniform(-1e-3, 1e-3, 2), 1]]
    )
    return np.asarray(matrix * rng.choice([-2.0, 1.0, 3.0]))  # the scale of the matrix does not matter


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**31))
def test_the_inverse_homography_restores_keypoints(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, matrix = scattered(rng, 20), homography_of(rng)
    restored = transform_keypoints(transform_keypoints(points, matrix), np.linalg.inv(matrix))
    np.testing.assert_allclose(restored[:, :3], points[:, :3], rtol=1e-5, atol=1e-3)
    assert (abs((restored[:, 3] - points[:, 3] + 180) % 360 - 180) < 1e-2).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31))
def test_matches_are_one_to_one_and_within_the_tolerances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, matrix = scattered(rng, 40), homography_of(rng)
    moved = transform_keypoints(points, matrix)
    copies = moved[rng.integers(0, 40, 60)]
    copies = copies + rng.normal(0, 1, copies.shape) * [0.4, 0.4, 0, 12]
    copies[:, 2] *= np.exp(rng.normal(0, 0.2, 60))
    pairs = match_keypoints(points, copies.astype(np.float32), matrix)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
    a, b = moved[pairs[:, 0]], copies[pairs[:, 1]]
    distances = np.linalg.norm(a[:, :2] - b[:, :2], axis=1)
    assert (distances <= 0.25 * np.minimum(a[:, 2], b[:, 2]) + 0.501).all()
    assert (np.maximum(a[:, 2] / b[:, 2], b[:, 2] / a[:, 2]) <= SCALE_RATIO + 1e-3).all()
    assert (abs((a[:, 3] - b[:, 3] + 180) % 360 - 180) <= ANGLE + 0.01).all()
    assert len(match_keypoints(points, moved.astype(np.float32), matrix)) == 40
    assert len(match_keypoints(points, moved.astype(np.float32), similarity(1, 0, (5e4, 0)) @ matrix)) == 0


def test_match_keypoints_selects_the_nearest_within_the_tolerances() -> None:
    """For size 8, 2.5 pixels of distance match; 2.6, a size ratio of 1.36, or a rotation by 21° do not."""
    identity = np.eye(3)
    points = keypoints((50, 50, 8, 355))
    for other, matches in [
        ((52.5, 50, 8, 355), True),
        ((52.6, 50, 8, 355), False),
        ((50, 50, 8 * 1.34, 355), True),
        ((50, 50, 8 * 1.36, 355), False),
        ((50, 50, 8 / 1.36, 355), False),
        ((50, 50, 8, 14), True),
        ((50, 50, 8, 16), False),
    ]:
        assert len(match_keypoints(points, keypoints(other), identity)) == matches, other
    several = keypoints((51, 50, 8, 0), (50.5, 50, 8, 0), (49, 50, 8, 0))
    assert match_keypoints(points, several, identity).tolist() == [[0, 1]]
    assert match_keypoints(several, points, identity).tolist() == [[1, 0]]
    for a, b in ((points[:0], points), (points, points[:0])):
        assert match_keypoints(a, b, identity).shape == (0, 2)


# -- views --


def test_spots_in_a_view_are_at_the_positions_of_its_homography() -> None:
    """Centroids of dark spots on white: with coordinates of pixel corners instead of centres, the mean of the
    median errors would be 0.27 pixels."""
    xs, ys = np.meshgrid(np.arange(400), np.arange(300))
    spots = keypoints(*((x, y, 8, 0) for x in range(80, 360, 60) for y in range(70, 260, 55)))
    picture = np.full((300, 400), 255.0)
    for x, y, _, _ in spots:
        picture -= 200 * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * 3**2))
    photo = np.repeat(picture.clip(0, 255).astype(np.uint8)[..., None], 3, 2)
    errors = []
    for seed in range(20):
        offsets = []
        view, matrix = random_view(photo, np.random.default_rng(seed))
        assert view.shape == (300, 400) and view.dtype == np.uint8
        for x, y, size, _ in transform_keypoints(spots, matrix):
            r = int(1.6 * size)
            left, top = round(x) - r, round(y) - r
            if left < 0 or top < 0 or left + 2 * r >= 400 or top + 2 * r >= 300:
                continue
            crop = view[top : top + 2 * r + 1, left : left + 2 * r + 1].astype(float)
            dark = (np.median(crop) - 25 - crop).clip(0)
            if dark.sum() > 300:
                positions = np.arange(-r, r + 1)
                centroid = dark.sum(0) @ positions / dark.sum(), dark.sum(1) @ positions / dark.sum()
                offsets.append([round(x) + centroid[0] - x, round(y) + centroid[1] - y])
        if len(offsets) >= 4:
            errors.append(abs(np.median(offsets, 0)))
    assert len(errors) >= 12 and np.mean(errors) < 0.1


def test_views_are_reproducible_and_differ_by_seed() -> None:
    photo = np.asarray(thing("coffee"))
    first, repeated, other = (random_view(photo, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first[0], repeated[0]) and np.array_equal(first[1], repeated[1])
    assert not np.array_equal(first[0], other[0]) and not np.array_equal(first[1], other[1])


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (9, 5), (12, 300)])
def test_photos_of_any_shape_do_not_raise(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    patches, counts, at = find_places(noise, 1, np.random.default_rng(0))
    assert len(patches) == counts.sum() and len(at) == len(counts)


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation [n] of patches [n, 32, 32] with the patches ``b`` of equal shape."""
    x, y = (patches.reshape(len(patches), -1).astype(float) for patches in (a, b))
    x, y = (values - values.mean(1, keepdims=True) for values in (x, y))
    return np.asarray((x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1))


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
def test_patches_of_a_place_correlate(name: str) -> None:
    photo = np.asarray(thing(name))
    patches, counts, at = find_places(photo, 3, np.random.default_rng(0))
    starts = np.append(0, counts.cumsum())
    assert len(counts) > 60 and counts.min() >= 2 and counts.max() <= 4
    # The first patch is from the photo itself: at this position and size, and an unknown angle.
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    upright = cut_patches(grey, np.column_stack([at, np.zeros(len(at))]).astype(np.float32))
    disc = np.hypot(*np.meshgrid(np.arange(32) - 15.5, np.arange(32) - 15.5)) < 15
    originals = patches[starts[:-1]]
    np.testing.assert_allclose(originals[:, disc].mean(1), upright[:, disc].mean(1), atol=6)
    others = patches[starts[:-1] + 1]
    matching, wrong = correlation(originals, others), correlation(originals, np.roll(others, 7, 0))
    assert np.median(matching) > 0.75 and np.mean(matching > 0.3) > 0.95
    assert abs(np.median(wrong)) < 0.25


# -- batches --


def labelled_places(photos: int, per_photo: int, seed: int = 0) -> Places:
    """Places with labelled patches: the brightness is the place, one pixel the number of the patch."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(2, 5, photos * per_photo)
    starts = np.append(0, counts.cumsum())
    patches = np.zeros((starts[-1], 32, 32), np.uint8)
    for place in range(len(counts)):
        for number in range(counts[place]):
            patches[starts[place] + number] = place
            patches[starts[place] + number, 0, 1] = 200 + number
    at = np.column_stack([rng.uniform(0, 200, (len(counts), 2)), rng.uniform(2, 12, len(counts))])
    return Places(patches, starts, np.repeat(np.arange(photos), per_photo), at)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 8), st.integers(1, 12))
def test_a_batch_has_two_patches_of_each_place(seed: int, at_once: int, per_photo: int) -> None:
    places = labelled_places(6, 8)
    pairs = draw_batch(places, places.of(np.arange(6)), np.random.default_rng(seed), at_once, per_photo)
    count = min(at_once, 6) * min(per_photo, 8)
    assert len(pairs.places) == len(set(pairs.places)) == count
    assert len(set(places.photo[pairs.places])) == min(at_once, 6)
    corners = [(0, 1), (0, 30), (1, 0), (30, 0), (31, 1), (31, 30), (1, 31), (30, 31)]
    labels = []
    for side in (pairs.anchors, pairs.positives):
        assert side.shape == (count, 32, 32) and side.flags.c_contiguous
        assert (side[:, 10, 10] == pairs.places).all()
        (corner,) = [c for c in corners if (side[:, c[0], c[1]] >= 200).all()]
        labels.append((corner, side[:, corner[0], corner[1]]))
    assert labels[0][0] == labels[1][0]  # rotated and mirrored in the same way
    assert (labels[0][1] != labels[1][1]).all()  # two different patches
    for i, a in enumerate(pairs.places):
        for j, b in enumerate(pairs.places):
            near = np.hypot(*(places.at[a, :2] - places.at[b, :2])) < APART * max(
                places.at[a, 2], places.at[b, 2]
            )
            assert pairs.overlap[i, j] == (i != j and places.photo[a] == places.photo[b] and near)


def test_every_patch_and_each_of_eight_transforms_is_drawn() -> None:
    places = labelled_places(2, 4)
    photos, transforms, drawn = places.of(np.arange(2)), set(), set()
    for pairs in draw_batches(places, photos, (5,), 80, 2, 4):
        marked = np.argwhere(pairs.anchors[0] >= 200)[0]
        transforms.add(tuple(marked.tolist()))
        for place, side in zip([*pairs.places] * 2, [*pairs.anchors, *pairs.positives], strict=True):
            drawn.add((int(place), int(side.max())))
    assert len(transforms) == 8
    assert len(drawn) == len(places.patches)


def test_equal_seeds_give_equal_batches() -> None:
    places = labelled_places(3, 6)
    photos = places.of(np.arange(3))
    first, repeated, other = (
        draw_batches(places, photos, seed, 3, 2, 4) for seed in ((1, 2), (1, 2), (1, 3))
    )
    for a, b, c in zip(first, repeated, other, strict=True):
        assert np.array_equal(a.anchors, b.anchors) and np.array_equal(a.positives, b.positives)
        assert not np.array_equal(a.places, c.places)
    assert not np.array_equal(first[0].places, first[1].places)


# -- stored files, one per photo --


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "coffee", "coins", "chelsea"):
        thing(name).resize((SIDE, 120)).save(folder / f"{name}.png")
    Image.new("RGB", (SIDE, 120), "grey").save(folder / "aaa.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def collected(paths: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Places]:
    folder = tmp_path_factory.mktemp("places") / "x"
    return folder, collect_places(paths, VIEWS, SIDE, 0, folder)


def test_stored_places_equal_computed_ones(paths: list[Path], collected: tuple[Path, Places]) -> None:
    folder, places = collected
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(before) == [f"{number:06}.safetensors" for number in range(5)]
    stored = collect_places(paths, VIEWS, SIDE, 0, folder)
    assert same(stored, places)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert (stored.at[:, :2] > -1).all() and (stored.at[:, :2] < SIDE).all()
    assert not same(collect_places(paths, VIEWS, SIDE, 1, folder.with_name("other seed")), places)


def test_places_are_ordered_by_photo(collected: tuple[Path, Places]) -> None:
    _, places = collected
    count = len(places.photo)
    assert count > 40 and places.at.shape == (count, 3) and len(places.starts) == count + 1
    assert places.patches.shape == (places.starts[-1], 32, 32)
    counts = np.diff(places.starts)
    assert counts.min() >= 2 and counts.max() == VIEWS + 1
    assert set(places.photo) == {1, 2, 3, 4}  # the first, of one colour, has none
    rows = places.of(np.array([3, 0, 1]))
    np.testing.assert_array_equal(rows[0], np.flatnonzero(places.photo == 3))
    assert len(rows[1]) == 0 and rows[2][0] == 0


def test_an_interrupted_collection_continues_to_the_same_places(
    paths: list[Path], collected: tuple[Path, Places], tmp_path: Path
) -> None:
    def stop(label: str, done: int, total: int) -> None:
        assert (label, total) == ("looking for keypoints in photos", 5)
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        collect_places(paths, VIEWS, SIDE, 0, tmp_path / "x", stop)
    assert len(list((tmp_path / "x").iterdir())) >= 3
    assert same(collect_places(paths, VIEWS, SIDE, 0, tmp_path / "x"), collected[1])


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "other tensors", "patches gone", "scalar"])
def test_a_damaged_file_is_replaced(
    paths: list[Path], collected: tuple[Path, Places], tmp_path: Path, damage: str
) -> None:
    folder, places = collected
    path, whole = folder / "000002.safetensors", (folder / "000002.safetensors").read_bytes()
    zeros = {"counts": np.array([2, 2]), "keypoints": np.zeros((2, 3), np.float32)}
    if damage == "other tensors":
        save_file({"maps": np.zeros(3)}, path)
    elif damage == "patches gone":
        save_file({**zeros, "patches": np.zeros((3, 32, 32), np.uint8)}, path)
    elif damage == "scalar":
        save_file({**zeros, "counts": np.array(4), "patches": np.zeros((4, 32, 32), np.uint8)}, path)
    else:
        path.write_bytes({"truncated": whole[:-9], "empty": b"", "text": b"no places at all"}[damage])
    assert same(collect_places(paths, VIEWS, SIDE, 0, folder), places)
    assert path.read_bytes() == whole


def test_photos_without_places_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "white").save(tmp_path / "white.png")
    with pytest.raises(WorkbenchError, match="no keypoint of any photo was found again"):
        collect_places([tmp_path / "white.png"], VIEWS, SIDE, 0, tmp_path / "x")
    with pytest.raises(WorkbenchError, match="no keypoint of any photo was found again"):
        collect_places([], VIEWS, SIDE, 0, tmp_path / "x")


def test_a_missing_photo_is_reported(paths: list[Path], tmp_path: Path) -> None:
    missing = tmp_path / "gone.png"
    with pytest.raises(WorkbenchError, match=r"photo '.*gone\.png' cannot be used: the file is missing"):
        collect_places([paths[1], missing], VIEWS, SIDE, 0, tmp_path / "x")
