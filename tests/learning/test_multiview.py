"""Matching patches from other photos of an object: by known outlines, and by verified matches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.support.things import THINGS, folder_of_things, thing
from workbench.collections.collection import Collection, Query
from workbench.collections.folder import open_folder
from workbench.collections.protocols import PROTOCOLS
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.learning.hardnet.correspondence import transform_keypoints
from workbench.learning.hardnet.multiview import find_partners, group_partners, patches_in_partners
from workbench.learning.hardnet.patch_pairs import find_places, read_grey
from workbench.learning.hardnet.train import HardNetSettings, train_hardnet
from workbench.local import hardnet
from workbench.local.keypoints import detect

SIDE = 240
CORNERS = ((30.0, 20.0), (200.0, 30.0), (190.0, 160.0), (40.0, 150.0))


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return open_folder(folder_of_things(tmp_path_factory.mktemp("things"), views=2), "folders")


@pytest.fixture(scope="module")
def outlined(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collection, np.ndarray]:
    """A collection of a photo, its view under a homography at twice the size and junk; and the homography."""
    root: Path = tmp_path_factory.mktemp("outlined")
    photo = np.asarray(thing("coffee"))
    matrix = np.array([[1.7, 0.2, 15], [-0.1, 1.8, 40], [2e-4, 1e-4, 1]])
    Image.fromarray(photo).save(root / "a.png")
    Image.fromarray(np.asarray(cv2.warpPerspective(photo, matrix, (480, 400)), np.uint8)).save(root / "b.png")
    thing("coins").save(root / "c.png")
    corners_in_view = cv2.perspectiveTransform(np.array([CORNERS]), matrix)[0]
    collection = Collection(
        "outlined",
        root,
        ("a.png", "b.png", "c.png"),
        (Query("q", "a.png"),),
        {"q": {"b.png": "easy", "c.png": "junk"}},
        PROTOCOLS["revisited"],
        quadrilaterals={
            ("q", "a.png"): CORNERS,
            ("q", "b.png"): tuple(map(tuple, corners_in_view.tolist())),
            ("q", "c.png"): CORNERS,
        },
    )
    return collection, matrix


def test_partners_share_a_label_and_a_group(things: Collection) -> None:
    photos = list(things.images)
    partners = find_partners(things, photos)
    assert partners["coffee/0.png"] == {"coffee/1.png": "", "coffee/2.png": ""}
    group_of = dict(zip(photos, group_partners(photos, partners).tolist(), strict=True))
    assert len(set(group_of.values())) == len(THINGS) + 1  # the empty images share a label, too
    for name in THINGS:
        assert len({group_of[f"{name}/{n}.png"] for n in range(3)}) == 1
    unrelated = ["coffee/0.png", "coins/1.png"]
    assert find_partners(things, unrelated) == {"coffee/0.png": {}, "coins/1.png": {}}
    assert group_partners(unrelated, find_partners(things, unrelated)).tolist() == [0, 1]


def test_photos_with_a_common_partner_are_in_one_group(outlined: tuple[Collection, np.ndarray]) -> None:
    collection, _ = outlined
    chained = replace(
        collection,
        relevance={"q": {"b.png": "easy"}, "r": {"c.png": "hard"}},
        quadrilaterals={
            ("q", "a.png"): CORNERS,
            ("q", "b.png"): CORNERS,
            ("r", "b.png"): CORNERS,
            ("r", "c.png"): CORNERS,
        },
    )
    photos = ["c.png", "a.png", "b.png"]
    assert group_partners(photos, find_partners(chained, photos)).tolist() == [0, 0, 0]
    assert find_partners(chained, photos)["a.png"] == {"b.png": "q"}  # indirect partners are not matched


def test_keypoints_in_known_outlines_are_matched_by_the_homography(
    outlined: tuple[Collection, np.ndarray],
) -> None:
    collection, matrix = outlined
    partners = find_partners(collection, collection.images)
    assert partners == {"a.png": {"b.png": "q"}, "b.png": {"a.png": "q"}, "c.png": {}}  # junk is no partner
    grey = read_grey(collection.path("a.png"), SIDE)
    points = detect(grey)
    ((rows, patches),) = patches_in_partners(
        collection, "a.png", partners["a.png"], 480, np.random.default_rng(0)
    )(grey, points)
    assert len(rows) == len(patches) >= 15
    assert len(set(rows.tolist())) == len(rows)
    outline = np.array(CORNERS, np.float32)
    assert all(cv2.pointPolygonTest(outline, point, False) >= 0 for point in points[rows, :2].tolist())
    others = detect(read_grey(collection.path("b.png"), 480))
    expected = transform_keypoints(points[rows], matrix)[:, :2]
    distance = np.linalg.norm(expected[:, None] - others[None, :, :2], axis=2).min(1)
    assert (distance <= 0.25 * points[rows, 2] * 2 + 1.5).all()


def test_photos_of_one_label_are_matched_if_verified(things: Collection) -> None:
    partners = find_partners(things, things.images)
    grey = read_grey(things.path("coins/0.png"), SIDE)
    matches = list(
        patches_in_partners(things, "coins/0.png", partners["coins/0.png"], SIDE, np.random.default_rng(0))(
            grey, detect(grey)
        )
    )
    assert len(matches) == 2
    assert max(len(rows) for rows, _ in matches) >= 20
    for rows, patches in matches:
        assert patches.shape == (len(rows), 32, 32)
    empty = read_grey(things.path("empty/thin.png"), SIDE)
    for rows, patches in patches_in_partners(
        things, "empty/thin.png", {"coffee/0.png": ""}, SIDE, np.random.default_rng(0)
    )(empty, detect(empty)):
        assert len(rows) == len(patches) == 0


def test_patches_of_other_photos_are_added_to_the_places(things: Collection) -> None:
    photo = np.asarray(thing("coins"))
    partners = find_partners(things, things.images)["coins/0.png"]
    patches, counts, _ = find_places(photo, 1, np.random.default_rng(1))
    more_patches, more_counts, _ = find_places(
        photo,
        1,
        np.random.default_rng(1),
        patches_in_partners(things, "coins/0.png", partners, SIDE, np.random.default_rng(0)),
    )
    assert len(more_patches) > len(patches) and len(more_counts) > len(counts)
    assert more_counts.max() > counts.max() == 2


def test_training_uses_other_photos_and_records_it(things: Collection, tmp_path: Path) -> None:
    options = Options(size=160, cache=tmp_path)
    settings = HardNetSettings(width=2, steps=4, views=1, at_once=4, each=8, every=2)
    path = train_hardnet(things, options, "both", settings, real=True)
    about = hardnet.card(path)
    plain = hardnet.card(train_hardnet(things, options, "plain", settings))
    assert about["real"] and "real" not in plain
    assert about["patches"] > plain["patches"]
    assert len(about["figures"]) == 2


def test_a_collection_without_known_pairs_is_refused(tmp_path: Path) -> None:
    folder = folder_of_things(tmp_path / "things", views=1, empty=False)
    with pytest.raises(WorkbenchError, match="has no two photos that are known to show the same object"):
        train_hardnet(open_folder(folder), Options(cache=tmp_path / "cache"), "none", real=True)
