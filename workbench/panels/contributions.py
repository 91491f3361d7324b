"""The regions of each picture of an explanation, strongest first, and the pairs that link them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from workbench.explain.score import Explanation
from workbench.explain.sums import BOX, Sum, difference_sum, score_sum

PARTNERS = 3  # regions of the other picture that a region is linked to
LEAST = 0.5  # of the strongest pair of a region, in a pair that is linked to it
KEYPOINT_PAIRS = 200  # of visual words, that may be linked
_PAIR = ["query_region", "image_region", "contribution"]


@dataclass(frozen=True)
class Side:
    """A score, or a difference of scores, over the regions of one picture; ``order``: strongest first.

    A region is known by its number: its position in ``order``, whose values are rows of ``total.parts``.
    """

    title: str
    total: Sum

    @cached_property
    def order(self) -> list[int]:
        return self.total.strongest(len(self.total.parts))

    @cached_property
    def boxes(self) -> np.ndarray:
        """The boxes [N, 4] by number, in fractions of the picture."""
        return self.total.parts[BOX].to_numpy(float)[self.order]

    @cached_property
    def values(self) -> np.ndarray:
        """The contributions [N] by number."""
        return self.total.parts["contribution"].to_numpy(float)[self.order]

    @cached_property
    def names(self) -> list[str]:
        """The level and the name of each region, by number."""
        table = self.total.parts
        both = zip(table["group"].iloc[self.order], table["name"].iloc[self.order], strict=True)
        return [", ".join(filter(None, names)) for names in both]

    @cached_property
    def numbers(self) -> dict[int, int]:
        """The number of each region of the explanation."""
        regions = self.total.parts["region"].to_numpy(int)[self.order]
        return {int(region): number for number, region in enumerate(regions)}

    @property
    def by_region(self) -> bool:
        """Whether the parts are the pipeline's regions, not parts of a picture without regions."""
        return self.total.unit.startswith("regions")


@dataclass(frozen=True)
class Pair:
    """A pair of regions: a number in the query, one in the picture of ``view``, and centres of boxes.

    ``ends`` are the marks of those of both regions that are linked by it, as it is among their strongest.
    """

    query: int
    image: int
    view: int
    value: float
    start: tuple[float, float]
    end: tuple[float, float]
    ends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sides:
    """The regions of all pictures (query first); the linked pairs and all pairs, strongest first."""

    sides: tuple[Side, ...]
    linked: tuple[Pair, ...]
    pairs: tuple[Pair, ...] = ()
    unlisted: float = 0.0  # the sum of all pairs that are not in ``pairs``
    count: int = 0  # of all pairs

    def marked(self, marking: str) -> list[int]:
        """The number of the region that is lit in each picture, -1 for none, of a mark.

        A mark of a region lights its strongest partner in each other picture; that of a pair both regions.
        """
        lit = [-1] * len(self.sides)
        kind, _, rest = marking.partition(":")
        if kind == "pair":
            pair = self.pairs[int(rest)]
            lit[0], lit[pair.view] = pair.query, pair.image
        elif kind:
            view, number = int(kind), int(rest)
            lit[view] = number
            for pair in self.linked:
                ends = {0: pair.query, pair.view: pair.image}
                if ends.get(view) != number or not self.sides[view].by_region:
                    continue
                for other, partner in ends.items():
                    lit[other] = partner if lit[other] < 0 else lit[other]
        return lit


def mark(view: int, number: int) -> str:
    """The mark of a region: its view and its number."""
    return f"{view}:{number}"


def of_score(why: Explanation, listed: int) -> Sides:
    """A score over the regions of both pictures, and its ``listed`` strongest pairs."""
    query, image = Side("Query", score_sum(why)), Side("Result", score_sum(why, "image"))
    if not (query.by_region and image.by_region):
        return Sides((query, image), _keypoint_pairs(why, query, image))
    pairs = why.region_pairs
    order = pairs["contribution"].abs().sort_values(ascending=False, kind="stable").index
    strongest = pairs.loc[order[:listed]]
    return Sides(
        (query, image),
        _linked(why, query, image, 1),
        _pairs(strongest[_PAIR].to_numpy(float), query, image, 1),
        float(pairs["contribution"].sum() - strongest["contribution"].sum()),
        len(pairs),
    )


def of_difference(a: Explanation, b: Explanation) -> Sides:
    """The score of A less that of B over the regions of the query, and each score over its image's."""
    query = Side("Query: A − B", difference_sum(a, b))
    images = [Side(letter, score_sum(why, "image")) for letter, why in (("A", a), ("B", b))]
    linked: list[Pair] = []
    for view, (why, image) in enumerate(zip((a, b), images, strict=True), start=1):
        if query.by_region and image.by_region:
            linked += _linked(why, query, image, view)
    return Sides((query, *images), tuple(sorted(linked, key=lambda pair: -pair.value)))


def _linked(why: Explanation, query: Side, image: Side, view: int) -> tuple[Pair, ...]:
    """The pairs that link a region with its strongest partners, where these add to the score."""
    pairs = why.region_pairs[why.region_pairs["contribution"] > 0]  # strongest first
    kept = []
    for side in ("query_region", "image_region"):
        groups = pairs.groupby(side)["contribution"]
        strong = pairs["contribution"] >= LEAST * groups.transform("max")
        kept.append(((groups.cumcount() < PARTNERS) & strong).to_numpy(bool))
    some = kept[0] | kept[1]
    numbered = _pairs(pairs.loc[some, _PAIR].to_numpy(float), query, image, view)
    linked = zip(numbered, *(side[some] for side in kept), strict=True)
    return tuple(
        replace(pair, ends=tuple(end for end, own in zip(_ends(pair), side, strict=True) if own))
        for pair, *side in linked
    )


def _ends(pair: Pair) -> tuple[str, str]:
    return mark(0, pair.query), mark(pair.view, pair.image)


def _pairs(table: np.ndarray, query: Side, image: Side, view: int) -> tuple[Pair, ...]:
    """Pairs of rows: region of the query, region of the image, contribution."""
    starts, ends = _centres(query.boxes), _centres(image.boxes)
    numbers = [(query.numbers[int(i)], image.numbers[int(j)], value) for i, j, value in table]
    return tuple(Pair(i, j, view, float(value), starts[i], ends[j]) for i, j, value in numbers)


def _keypoint_pairs(why: Explanation, query: Side, image: Side) -> tuple[Pair, ...]:
    """The strongest pairs of keypoints, as pairs of the parts of the pictures where they are."""
    if len(why.query_regions) < 2 or len(why.image_regions) < 2:
        return ()
    pairs = why.region_pairs[_PAIR].head(KEYPOINT_PAIRS).to_numpy(float)
    starts, ends = _centres(why.query_regions), _centres(why.image_regions)
    linked = [
        Pair(_holder(query, start), _holder(image, end), 1, float(value), start, end)
        for i, j, value in pairs
        if value > 0
        for start, end in [(starts[int(i)], ends[int(j)])]
    ]
    return tuple(replace(pair, ends=_ends(pair)) for pair in linked)


def _holder(side: Side, point: Sequence[float]) -> int:
    """The number of the part of a picture in which a point is."""
    inside = ((side.boxes[:, :2] <= point) & (point <= side.boxes[:, 2:])).all(1)
    return int(inside.argmax())


def _centres(boxes: np.ndarray) -> list[tuple[float, float]]:
    return [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes.tolist()]
