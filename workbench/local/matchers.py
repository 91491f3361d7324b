"""The matcher of each kind of local features: a rule of nearest neighbours, or the network LightGlue."""

from __future__ import annotations

from functools import partial

from workbench.local.lightglue import lightglue
from workbench.local.nearest_neighbours import Matcher, nearest

# The largest ratio and the least cosine of learned keypoints, of which a ratio of 0.85 rejects too many:
# benchmarks/learned_keypoints.py compares rules. XFeat's is that of its authors (Potje et al., CVPR 2024).
RULES = {"xfeat": (1.0, 0.82), "aliked": (0.95, -1.0), "disk": (0.95, -1.0)}


def matcher(keypoints: str, network: str = "") -> Matcher:
    """The matcher of a kind of local features: a ``network`` (lightglue), or else nearest neighbours.

    Raises WorkbenchError if the package of the network is not installed or has other weights.
    """
    if network:
        return lightglue(keypoints)
    if keypoints not in RULES:
        return nearest
    ratio, cosine = RULES[keypoints]
    return partial(nearest, ratio=ratio, cosine=cosine)
