"""A match of two pictures as HTML: inliers, model and shared words, and both pictures with their lines."""

from __future__ import annotations

from workbench.common.picture_bytes import jpeg
from workbench.local.matching import Match
from workbench.report.markup import escape, paragraph, picture
from workbench.report.pictures import match_picture

_SIDE = 400  # pixels of a picture's longer side
_NEGLIGIBLE = 1e-6  # of a model: over a thousand pixels it moves a point by a thousandth of its place


def match_summary(match: Match) -> str:
    """The outcome, the model that was fitted, and the sum over shared words."""
    names = " — ".join(side.name for side in match.pictures or ())
    lines = [f"<b>{escape(': '.join(filter(None, [names, match.outcome])))}</b>"]
    if match.verified.model is not None:
        rows = [" ".join(f"{_rounded(value):.3g}" for value in row) for row in match.verified.model]
        geometry = match.verified.geometry
        about = f"{geometry.name.capitalize()}, from pixels of the query to pixels of the image"
        if geometry.model == "fundamental":
            about = "Fundamental matrix F, with x'ᵀ F x = 0 for x in the query and x' in the image, in pixels"
        lines.append(f"{about}: [{' ; '.join(rows)}]")
    if len(match.words):
        total = float(match.words["contribution"].sum())
        lines.append(f"{len(match.words):,} shared words add {total:.3f} to the score of the words alone")
    return paragraph(lines)


def match_still(match: Match) -> str:
    """Both pictures with lines between matching keypoints; empty without pictures."""
    if match.pictures is None:
        return ""
    names = " and ".join(side.name for side in match.pictures)
    return picture(jpeg(match_picture(match, side=_SIDE)), f"{match.outcome}: {names}")


def _rounded(value: float) -> float:
    return 0.0 if abs(value) < _NEGLIGIBLE else float(value)
