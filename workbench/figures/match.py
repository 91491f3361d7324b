"""Two pictures side by side with the keypoints of both, and lines between those that match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.common.palette import NEGATIVE, PALETTE
from workbench.config.errors import WorkbenchError
from workbench.figures.pictures import Frame, picture_figure
from workbench.figures.style import Figure, subtitle
from workbench.local.matching import similarity

if TYPE_CHECKING:
    import pandas as pd

    from workbench.local.features import LocalFeatures
    from workbench.local.matching import Match

MATCHES = 300  # drawn, the best
KEYPOINTS = 150  # drawn of each picture with their size and direction, the strongest
_INLIERS, _OTHERS, _KEYPOINTS = PALETTE[0], NEGATIVE, PALETTE[2]
_CIRCLE = np.linspace(0, 2 * np.pi, 17)
_SMALLEST = 0.004  # radius of a circle; the longer side of a picture is 1


def match(match: Match, kind: str = "matches") -> Figure:
    """The ``matches`` of two pictures, inliers apart from others, or the circles of their ``keypoints``.

    Circles have the keypoint's diameter, and a line in its direction. Hovering over an end of a line says the
    distance of the descriptors, Lowe's ratio and the word. Raises WorkbenchError for another kind.
    """
    if kind not in ("matches", "keypoints"):
        raise WorkbenchError(f"figure {kind!r} of a match is not known; valid: matches, keypoints")
    features = match.query, match.image
    keypoints = kind == "keypoints"
    figure, frames = picture_figure(
        match.pictures or (None, None),
        [side.size for side in features],
        "Keypoints" if keypoints else match.outcome[0].upper() + match.outcome[1:],
        subtitle(
            f"n = {len(match.query):,} and {len(match.image):,} keypoints",
            _drawn_keypoints(features) if keypoints else _drawn_matches(match),
            collection=match.collection,
        ),
    )
    if keypoints:
        for side, frame, name in zip(features, frames, ("query", "image"), strict=True):
            _add_circles(figure, side, frame, name)
        return figure
    _add_keypoints(figure, features, frames)
    best = match.table.sort_values("inlier", ascending=False, kind="stable").head(MATCHES)
    for inlier, name, colour, dash in (
        (False, "other matches", _OTHERS, "dot"),
        (True, "inliers", _INLIERS, "solid"),
    ):
        _add_lines(figure, match, best[best["inlier"] == inlier], frames, name, colour, dash)
    return figure


def _drawn_keypoints(features: Sequence[LocalFeatures]) -> str:
    if all(len(side) <= KEYPOINTS for side in features):
        return "with their diameter and direction"
    return f"the {KEYPOINTS} strongest of each are drawn, with their diameter and direction"


def _drawn_matches(match: Match) -> str:
    repeated = int(match.table["inlier"].sum()) - match.inliers
    return " · ".join(
        [
            *([f"{repeated:,} more inliers at positions that are counted already"] if repeated else []),
            *([f"the best {MATCHES} matches are drawn"] if len(match.table) > MATCHES else []),
        ]
    )


def _add_keypoints(figure: Figure, features: Sequence[LocalFeatures], frames: Sequence[Frame]) -> None:
    """The strongest keypoints of both pictures as small circles."""
    points = [frame.at(side.places[:MATCHES]) for side, frame in zip(features, frames, strict=True)]
    x, y = np.concatenate(points).T
    limited = any(len(side) > MATCHES for side in features)
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        name=f"keypoints, the {MATCHES} strongest" if limited else "keypoints",
        hoverinfo="skip",
        marker={"symbol": "circle-open", "size": 5, "color": _KEYPOINTS},
    )


def _add_lines(
    figure: Figure,
    match: Match,
    table: pd.DataFrame,
    frames: Sequence[Frame],
    name: str,
    colour: str,
    dash: str,
) -> None:
    """The lines of some rows of the table of matches, with a gap after each, above a pale casing."""
    if table.empty:
        return
    query = frames[0].at(match.query.places[table["query_keypoint"]])
    image = frames[1].at(match.image.places[table["image_keypoint"]])
    x, y = np.stack([query, image, np.full_like(query, np.nan)], 1).reshape(-1, 2).T
    casing = {"color": "rgba(255,255,255,0.5)", "width": 3.5}
    figure.add_scatter(
        x=x, y=y, mode="lines", line=casing, legendgroup=name, showlegend=False, hoverinfo="skip"
    )
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines+markers",
        name=name,
        legendgroup=name,
        line={"color": colour, "width": 1.5, "dash": dash},
        marker={"color": colour, "size": 5},
        ids=np.repeat(table.index.astype(str), 3),
        hovertext=np.repeat([*map(_caption, table.index, table.to_dict("records"))], 3),
        hoverinfo="text",
    )


def _caption(row: Any, match: dict[Any, Any]) -> str:
    """A match as its caption."""
    caption = f"match {row + 1}: {similarity(match)}"
    if "word" not in match:
        return caption
    return caption + (f", word {match['word']}" if match["word"] >= 0 else ", different words")


def _add_circles(figure: Figure, features: LocalFeatures, frame: Frame, name: str) -> None:
    """The strongest keypoints as circles of their diameter with a line in their direction."""
    places, points = features.places[:KEYPOINTS], features.points[:KEYPOINTS]
    centres = frame.at(places)
    radii = np.maximum(points[:, 2] / 2 / features.size[0] * frame.width, _SMALLEST)[:, None]
    angles = np.hstack([np.zeros((len(points), 1)), np.tile(_CIRCLE, (len(points), 1))])
    lengths = np.hstack([np.zeros((len(points), 1)), np.ones((len(points), len(_CIRCLE)))])
    turns = angles + np.deg2rad(points[:, 3:])
    x = centres[:, :1] + radii * lengths * np.cos(turns)
    y = centres[:, 1:] + radii * lengths * np.sin(turns)
    gap = np.full((len(points), 1), np.nan)
    figure.add_scatter(
        x=np.hstack([x, gap]).ravel(),
        y=np.hstack([y, gap]).ravel(),
        mode="lines",
        name=f"keypoints of the {name}",
        legendgroup=name,
        line={"color": _KEYPOINTS, "width": 1.5},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=centres[:, 0],
        y=centres[:, 1],
        mode="markers",
        legendgroup=name,
        showlegend=False,
        marker={"color": _KEYPOINTS, "size": 3},
        ids=[f"{name} {row}" for row in range(len(points))],
        hovertext=[
            f"{name} keypoint {row + 1}: {diameter:.0f} px wide, {angle:.0f}°"
            for row, (_, _, diameter, angle) in enumerate(points)
        ],
        hoverinfo="text",
    )
