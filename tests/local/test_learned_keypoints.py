"""XFeat, ALIKED, DISK and LightGlue: a known homography is found, and damaged weights are refused."""

from __future__ import annotations

import importlib.util
import shutil
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.support.descriptions import Run, described, files, options
from tests.support.things import thing
from workbench.common.progress import Cancelled
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import LEARNED, LIGHTGLUE_FOR
from workbench.learning.hardnet.correspondence import transform_keypoints
from workbench.local import learned_keypoints, learned_weights, lightglue
from workbench.local.describers import describer, dimensions
from workbench.local.feature_store import FeatureStore, extract
from workbench.local.features import LocalFeatures
from workbench.local.keypoints import MOST
from workbench.local.learned_weights import FILES, INSTALL, WeightFile, installed, weight_path
from workbench.local.local_source import LocalSource
from workbench.local.matchers import matcher
from workbench.local.nearest_neighbours import Matcher
from workbench.local.verification import verify, verify_all

pytestmark = pytest.mark.skipif(
    not all(map(installed, FILES)), reason=f"learned keypoints are not installed: {INSTALL}"
)
# A view of a photo: 15 degrees to the left, nine tenths as large, tilted and shifted.
VIEW = np.array([[0.869, 0.233, 6.0], [-0.233, 0.869, 50.0], [2e-4, 1e-4, 1.0]])
MATCHERS = [*((name, "") for name in LEARNED), *((name, "lightglue") for name in LIGHTGLUE_FOR)]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.asarray(thing("coffee").convert("RGB"))


@pytest.fixture(scope="module")
def pairs(photo: np.ndarray) -> dict[str, tuple[LocalFeatures, LocalFeatures]]:
    """The features of the photo and of its view, by name."""
    height, width = photo.shape[:2]
    view = cv2.warpPerspective(photo, VIEW, (width, height), borderMode=cv2.BORDER_REFLECT)
    return {
        name: (extract(photo, describe), extract(view, describe))
        for name in LEARNED
        for describe in [describer(name, None)]
    }


@pytest.mark.parametrize("name", LEARNED)
def test_descriptors_are_unit_vectors_and_the_strongest_keypoints_come_first(
    name: str, pairs: dict[str, tuple[LocalFeatures, LocalFeatures]]
) -> None:
    for features in pairs[name]:
        assert 100 < len(features) <= MOST
        assert features.stored.dtype == np.float16
        assert features.stored.shape == (len(features), {"xfeat": 64, "aliked": 128, "disk": 128}[name])
        np.testing.assert_allclose(np.linalg.norm(features.descriptors, axis=1), 1, atol=2e-3)
        assert (features.points[:, 2] == learned_keypoints.SIZE).all() and not features.points[:, 3].any()
        assert (features.points[:, :2] >= 0).all()
        assert (features.points[:, :2] <= np.array(features.size) - 1).all()


def projected(model: np.ndarray) -> np.ndarray:
    """Where a homography puts the corners of a square within the photo, [4, 2]."""
    corners = np.array([[[40, 40]], [[200, 40]], [[200, 140]], [[40, 140]]], np.float64)
    return np.asarray(cv2.perspectiveTransform(corners, model))[:, 0]


@pytest.mark.parametrize(("name", "network"), MATCHERS)
def test_a_known_homography_is_found(
    name: str, network: str, pairs: dict[str, tuple[LocalFeatures, LocalFeatures]]
) -> None:
    """Most matches are within 3 pixels of it, and most are inliers of the model that is fitted to them."""
    query, image = pairs[name]
    verified = verify(query, image, matcher=matcher(name, network))
    assert verified.scored == (network != "") and verified.inliers >= 30
    assert ((verified.ratios >= 0) & (verified.ratios <= 1)).all()
    expected = transform_keypoints(query.points[verified.pairs[:, 0]], VIEW)[:, :2]
    errors = np.linalg.norm(expected - image.points[verified.pairs[:, 1], :2], axis=1)
    assert np.mean(errors < 3) > 0.55 and verified.inside.mean() > 0.5
    assert verified.model is not None
    assert np.linalg.norm(projected(verified.model) - projected(VIEW), axis=1).max() < 3


@pytest.mark.parametrize(("name", "network"), MATCHERS)
def test_another_photo_is_not_verified(
    name: str, network: str, pairs: dict[str, tuple[LocalFeatures, LocalFeatures]]
) -> None:
    other = extract(np.asarray(thing("chelsea").convert("RGB")), describer(name, None))
    assert verify(pairs[name][0], other, matcher=matcher(name, network)).inliers == 0


@pytest.mark.parametrize("name", LEARNED)
def test_a_picture_of_any_size_has_keypoints_at_the_same_places(
    name: str, photo: np.ndarray, pairs: dict[str, tuple[LocalFeatures, LocalFeatures]]
) -> None:
    """Sides that are no multiples of 32: no keypoint is outside, and none is shifted."""
    part, whole = extract(photo[:177, :237], describer(name, None)), pairs[name][0]
    assert part.size == (237, 177) and (part.points[:, :2] <= [236, 176]).all()
    distances = np.linalg.norm(part.points[:, None, :2] - whole.points[None, :, :2], axis=2).min(1)
    assert np.mean(distances < 0.5) > 0.75


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("shape", [(1, 300), (6, 5), (8, 8), (16, 600), (33, 31)])
def test_tiny_and_plain_pictures_are_described(name: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    describe = describer(name, None)
    plain, noise = np.full((*shape, 3), 99, np.uint8), rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    assert len(extract(plain, describe)) == 0
    grey = extract(np.repeat(noise[..., :1], 3, 2), describe)
    for features in (extract(noise, describe), grey):
        assert features.stored.shape == (len(features), dimensions(name))
        assert np.isfinite(features.points).all() and np.isfinite(features.descriptors).all()
        assert min(shape) >= 8 or not len(features)


@pytest.mark.parametrize(("name", "network"), MATCHERS)
def test_pictures_without_keypoints_match_nothing(
    name: str, network: str, pairs: dict[str, tuple[LocalFeatures, LocalFeatures]]
) -> None:
    empty = extract(np.zeros((64, 64, 3), np.uint8), describer(name, None))
    for pair in ((empty, pairs[name][0]), (pairs[name][0], empty), (empty, empty)):
        verified = verify(*pair, matcher=matcher(name, network))
        assert verified.inliers == 0 and verified.why.startswith("no keypoints")
        assert not len(verified.pairs) and verified.scored == (network != "")


def test_stores_are_the_same_after_a_kill_and_damaged_files_are_extracted_again(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, name in enumerate(("coffee", "coins", "chelsea", "rocket", "astronaut") * 5):
        thing(name).rotate(number).save(photos / f"{number:02}.png")
    source, _, lost = described("xfeat", photos, tmp_path / "undisturbed")
    assert not lost and source.folder.name.startswith(f"xfeat-{source.fingerprint}-")
    expected = files(tmp_path / "undisturbed" / "local")
    run = Run(photos, tmp_path / "killed", "xfeat")
    run.reached("begun")
    while run.process.is_alive() and not files(tmp_path / "killed" / "local"):
        time.sleep(0.001)
    assert run.kill()
    assert 0 < len(files(tmp_path / "killed" / "local")) < len(expected)
    again, _, _ = described("xfeat", photos, tmp_path / "killed")
    assert files(tmp_path / "killed" / "local") == expected
    damaged = next(again.folder.glob("*.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:-9])
    described("xfeat", photos, tmp_path / "killed")
    assert files(tmp_path / "killed" / "local") == expected


def test_a_store_refuses_descriptors_of_another_size(tmp_path: Path) -> None:
    features = LocalFeatures(np.zeros((3, 4), np.float32), np.zeros((3, 64), np.float16), (80, 60))
    FeatureStore(tmp_path, 64).write(["a"], [features], {})
    assert "a" in FeatureStore(tmp_path, 64)
    assert "a" not in FeatureStore(tmp_path)  # of 128: the file is damaged, and is removed


# -- weights --


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of XFeat's weights in a package of another name, which ``xfeat`` is read from."""
    folder = tmp_path / "of_xfeat"
    folder.mkdir()
    (folder / "__init__.py").touch()
    shutil.copy(weight_path("xfeat"), folder / "xfeat.pt")
    monkeypatch.syspath_prepend(tmp_path)
    known = WeightFile("of_xfeat", "xfeat.pt", FILES["xfeat"].sha256)
    monkeypatch.setitem(learned_weights.FILES, "xfeat", known)
    importlib.invalidate_caches()
    return folder


def test_weights_of_another_version_are_refused_by_their_checksum(package: Path, tmp_path: Path) -> None:
    source = LocalSource("xfeat", options(tmp_path))
    assert source.fresh()
    tensors = torch.load(package / "xfeat.pt", weights_only=True)
    next(iter(tensors.values())).add_(1e-3)
    torch.save(tensors, package / "xfeat.pt")
    assert not source.fresh()
    with pytest.raises(WorkbenchError, match=r"'xfeat'.*xfeat\.pt.*checksum.*retrieval-workbench\[local\]"):
        LocalSource("xfeat", options(tmp_path))


@pytest.mark.parametrize("content", [b"", b"no weights", None])
def test_damaged_and_missing_weight_files_are_refused(
    package: Path, tmp_path: Path, content: bytes | None
) -> None:
    path = package / "xfeat.pt"
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    with pytest.raises(WorkbenchError, match="damaged or of another version"):
        LocalSource("xfeat", options(tmp_path))
    path.unlink()
    with pytest.raises(WorkbenchError, match=r"xfeat\.pt.*cannot be read.*install them again"):
        LocalSource("xfeat", options(tmp_path))


def test_a_missing_package_is_reported_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("xfeat", "aliked+lightglue"):
        monkeypatch.setitem(learned_weights.FILES, name, FILES[name]._replace(package="not_installed"))
    assert not installed("xfeat") and not installed("aliked+lightglue") and installed("aliked")
    with pytest.raises(WorkbenchError, match=r"'xfeat': the package not_installed.*pip install .*\[local\]"):
        LocalSource("xfeat", options(tmp_path))
    lightglue._network.cache_clear()
    with pytest.raises(WorkbenchError, match=r"'aliked\+lightglue': the package not_installed is not"):
        matcher("aliked", "lightglue")


# -- LightGlue --


def test_matches_of_a_pair_are_kept_and_the_same_for_equal_features(
    pairs: dict[str, tuple[LocalFeatures, LocalFeatures]],
) -> None:
    match = matcher("aliked", "lightglue")
    query, image = pairs["aliked"]
    first = match(query, image)
    copied = LocalFeatures(query.points.copy(), query.stored.copy(), query.size)
    assert match(copied, image) is first
    with torch.inference_mode():
        again = lightglue._match(lightglue._network("aliked"), copied, image)
    np.testing.assert_array_equal(again.pairs, first.pairs)
    assert copied.digest == query.digest != image.digest


def test_matching_is_cancelled_within_a_layer(
    pairs: dict[str, tuple[LocalFeatures, LocalFeatures]],
) -> None:
    query, image = pairs["disk"]
    network = lightglue._network("disk")
    slow: Matcher = lambda *pair: lightglue._match(network, *pair)  # noqa: E731  # without what is kept
    started = threading.Event()
    hook = network.register_forward_pre_hook(lambda *_: started.set())
    raised = 0.0

    def cancel(label: str, done: int, total: int) -> None:
        nonlocal raised
        if started.is_set():
            raised = time.monotonic()
            raise Cancelled

    try:
        with pytest.raises(Cancelled):
            list(verify_all([lambda: verify(query, image, matcher=slow)] * 20, cancel))
    finally:
        hook.remove()
    assert time.monotonic() - raised < 2


def test_the_matcher_is_written_after_the_keypoints() -> None:
    for pipeline, compared, network in (
        ("vgg16/max/whole/sv:10:xfeat", "xfeat", ""),
        ("vgg16/max/whole/sv:10:aliked+lightglue", "aliked", "lightglue"),
        ("disk/bow:64/whole/he:24/sv:10:lightglue", "disk", "lightglue"),
        ("disk/bow:64/whole/sv:10", "disk", ""),
        ("disk/bow:64/whole", None, ""),
    ):
        config = Config.parse(pipeline)
        assert (str(config), config.compared, config.matcher) == (pipeline, compared, network)
    for pipeline, message in (
        ("vgg16/max/whole/sv:10:lightglue", r"keypoints that are not named.*sv:10:aliked\+lightglue"),
        ("vgg16/max/whole/sv:10:sift+lightglue", r"no matcher of sift.*sv:10:disk\+lightglue"),
        ("vgg16/max/whole/sv:10:aliked+superglue", r"superglue is no matcher of aliked"),
        ("sift/bow:64/whole/sv:10:lightglue", "lightglue is no matcher of sift.*aliked and disk"),
        ("aliked/bow:64/whole/sv:10:aliked+lightglue", "its own keypoints; valid: sv:10 or sv:10:lightglue"),
        ("xfeat/bow:64/whole/sv:10:xfeat", "its own keypoints; valid: sv:10$"),
    ):
        with pytest.raises(WorkbenchError, match=message):
            Config.parse(pipeline)
