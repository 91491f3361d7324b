"""What makes a pair of pictures of one object hard to verify, as it is measured on the pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from workbench.local.features import LocalFeatures
from workbench.local.nearest_neighbours import Matches
from workbench.local.single_correspondence import fit_from_single_correspondences, least_squares
from workbench.local.verification import Verification, verify_matches

FEW = 50  # keypoints on the object, below which a picture has few
PLANAR = 0.8  # share of the inliers of a fundamental matrix that a homography explains, from which on
AREA, TURN, TILT = 4.0, 30.0, 1.4  # change of area (times), rotation (degrees), squeeze of one axis (times)
REPEATED = 16  # keypoints that one similarity maps to others elsewhere in the same picture
_ELSEWHERE = 0.05  # of the longer side, at least
_LIKE = 0.5  # least cosine of a repeated keypoint and its copy
CLASSES = {  # each with what it means
    "planar": f"a homography explains at least {PLANAR:.0%} of the inliers of a fundamental matrix",
    "not planar": f"a homography explains less than {PLANAR:.0%} of them",
    "wide baseline": f"the area changes at least {AREA:g} times, or the object turns by {TURN:g}°, or one "
    f"axis is squeezed {TILT:g} times against the other (45° out of the plane)",
    "repeated structure": f"one similarity maps {REPEATED} keypoints of the query to others in the query",
    "few keypoints": f"fewer than {FEW} keypoints of the object in one of both pictures",
}


class PairMeasures(NamedTuple):
    """The measures of a pair; NaN where no model was found to measure them by."""

    keypoints: int  # on the object, in the picture with fewer
    planarity: float  # share of the fundamental matrix's inliers that a homography explains
    area: float  # by which factor the area changes, from 1
    turn: float  # rotation in the picture, degrees, 0 to 180
    tilt: float  # the larger over the smaller scale of the affinity, from 1
    repeated: int  # keypoints of the query that are repeated in it

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the pair, none, one or several."""
        wide = self.area >= AREA or self.turn >= TURN or self.tilt >= TILT
        held = (self.planarity >= PLANAR, self.planarity < PLANAR, wide)
        return tuple(
            name
            for name, holds in zip(
                CLASSES, (*held, self.repeated >= REPEATED, self.keypoints < FEW), strict=True
            )
            if holds
        )


def measure_pair(
    query: LocalFeatures,
    image: LocalFeatures,
    matches: Matches,
    repeated: int,
    outline: np.ndarray | None = None,
) -> PairMeasures:
    """Measure a pair by its matches, and by the ``outline`` [4, 2] of the query in the image if it is known.

    The change of view is that of the outline, else of an affinity or a homography that was verified; the
    corners of the outline are those of the query's picture from the top left on, clockwise, in pixels.
    """
    epipolar = verify_matches(query, image, matches, "fundamental")
    # Of two estimators the one that explains more, so that a plane is not missed by chance.
    planes = [verify_matches(query, image, matches, kind) for kind in ("", "homography-default")]
    plane = max(planes, key=lambda verified: verified.inliers)
    planarity = np.nan
    if epipolar.inliers:
        planarity = float((plane.inside & epipolar.inside).sum() / epipolar.inside.sum())
    count = len(image)
    if outline is not None:
        width, height = query.size
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
        linear: np.ndarray | None = least_squares("affine", corners, outline, np.ones((1, 4)))[0, :, :2]
        count = int(_within(outline, image.points[:, :2]).sum())
    else:
        affine = verify_matches(query, image, matches, "affine-single")
        linear = _linear(query, image, affine if affine.inliers else plane)
    return PairMeasures(min(len(query), count), planarity, *_change(linear), repeated)


def repeated_keypoints(features: LocalFeatures) -> int:
    """The number of keypoints that one similarity maps to similar ones elsewhere in the same picture.

    A pair is mutually nearest among the keypoints at least 5 % of the longer side away, with a cosine of 0.5.
    """
    if len(features) < 2:
        return 0
    positions, vectors = features.points[:, :2], features.descriptors
    cosines = vectors @ vectors.T
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    cosines[apart < _ELSEWHERE * max(features.size)] = -1
    nearest = cosines.argmax(1)
    rows = np.arange(len(features))
    rows = rows[(nearest[nearest] == rows) & (rows < nearest) & (cosines[rows, nearest] >= _LIKE)]
    points, copies = features.points[rows], features.points[nearest[rows]]
    _, inside = fit_from_single_correspondences(points, copies, 0.01 * max(features.size), "similarity")
    return int(inside.sum())


def _linear(query: LocalFeatures, image: LocalFeatures, verified: Verification) -> np.ndarray | None:
    """The linear part [2, 2] of the affinity nearest to the inliers; None without any."""
    if not verified.inliers:
        return None
    rows, columns = verified.pairs[verified.inside].T
    source, target = query.points[rows, :2].astype(float), image.points[columns, :2].astype(float)
    return np.asarray(least_squares("affine", source, target, np.ones((1, len(rows))))[0, :, :2])


def _change(linear: np.ndarray | None) -> tuple[float, float, float]:
    """The change of area, the rotation and the tilt of a linear map; NaN without one."""
    if linear is None:
        return np.nan, np.nan, np.nan
    left, scales, right = np.linalg.svd(linear)
    area = max(float(scales.prod()), 1e-12)
    rotation = left @ right
    turn = abs(float(np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))))
    return max(area, 1 / area), turn, float(scales[0] / max(scales[1], 1e-12))


def _within(outline: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether points [n, 2] are inside a convex outline [4, 2] of either direction."""
    sides = np.roll(outline, -1, 0) - outline
    offsets = points[:, None] - outline[None]
    signs = sides[:, 0] * offsets[..., 1] - sides[:, 1] * offsets[..., 0]
    return np.asarray((signs >= 0).all(1) | (signs <= 0).all(1))
