"""Places of labels beside points, so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 640, 260  # of the plot area that is assumed, in pixels
_CHARACTER, _LINE, _POINT = 6.2, 14, 6  # of a label and of a point, in pixels
_SIDES = {
    "middle right": (1, 0),
    "middle left": (-1, 0),
    "top center": (0, 1),
    "bottom center": (0, -1),
    "top right": (1, 1),
    "top left": (-1, 1),
    "bottom right": (1, -1),
    "bottom left": (-1, -1),
}
Box = tuple[float, float, float, float]


def label_sides(
    places: Sequence[tuple[float, float]], labels: Sequence[str], first: Sequence[int], width: float = WIDTH
) -> list[str]:
    """The ``textposition`` of the label of each point (x, y in 0…1 of the plot); "" where it has no room.

    Labels are placed in the order ``first`` of their numbers, each where it covers no point and no label.
    ``width`` is that of the plot area in pixels.
    """
    centres = [(x * width, y * HEIGHT) for x, y in places]
    taken = [(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y in centres]
    sides = [""] * len(labels)
    for number in first:
        own = centres[number]
        for side, direction in _SIDES.items():
            box = _box(own, direction, _CHARACTER * len(labels[number]))
            if box[0] >= 0 and box[2] <= width + 12 and all(_apart(box, other) for other in taken):
                taken.append(box)
                sides[number] = side
                break
    return sides


def _box(centre: tuple[float, float], direction: tuple[int, int], width: float) -> Box:
    (x, y), (right, up) = centre, direction
    left = x + _POINT if right > 0 else x - _POINT - width if right < 0 else x - width / 2
    bottom = y + _POINT if up > 0 else y - _POINT - _LINE if up < 0 else y - _LINE / 2
    return left, bottom, left + width, bottom + _LINE


def _apart(a: Box, b: Box) -> bool:
    return a[2] <= b[0] or a[0] >= b[2] or a[3] <= b[1] or a[1] >= b[3]
