"""Scenes: a backdrop, clutter behind and in front of posters, light, blur and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.collections.posters.photos import crop
from workbench.collections.posters.views import Matrix, Pose, View, homography, project
from workbench.common.geometry import polygon_area
from workbench.common.lazy import lazy_module

if TYPE_CHECKING:
    import cv2
else:
    cv2 = lazy_module("cv2")

Pixels = NDArray[np.uint8]
Photos = Mapping[str, Image.Image]
FRAMES = ((640, 480),) * 6 + ((480, 640),) * 4 + ((640, 427), (427, 640), (560, 560), (720, 405))
_COLOURS = (  # walls, boards and stones: brick, ochre, sand, olive, moss, slate, teal, navy, plum, greys
    *((150, 84, 66), (186, 148, 84), (205, 190, 160), (120, 124, 80), (84, 112, 76), (96, 108, 120)),
    *((70, 120, 120), (62, 74, 110), (120, 84, 104), (110, 110, 108), (160, 158, 152), (222, 216, 206)),
)
_LEAST = 0.01  # visible fraction of a poster below which a scene counts as one without it
TEXTURES = ("brick", "grass", "gravel", "moon")


@dataclass
class Scene:
    """A scene under construction: its pixels, and for each poster (number, corners, tilt) and a mask [H, W].

    A mask of ``uncovered`` holds the share of each pixel in which its poster is visible.
    """

    pixels: Pixels
    posters: list[tuple[int, Matrix, float]] = field(default_factory=list)
    uncovered: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def frame(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]

    def views(self) -> list[View]:
        """The ground truth of each poster, without those of which less than ``_LEAST`` is visible."""
        width, height = self.frame
        views = []
        for (number, corners, tilt), mask in zip(self.posters, self.uncovered, strict=True):
            area = polygon_area(corners)
            visible = min(float(mask.sum()) / area, 1.0)
            if visible >= _LEAST:
                views.append(View(number, corners, visible, tilt, area / (width * height)))
        return views


def paste(scene: Scene, item: Pixels, pose: Pose, number: int | None = None) -> None:
    """Render an item [H, W, 4] (RGBA) and its shadow over the scene.

    With a ``number`` the item is a poster, whose ground truth is recorded.
    """
    size = item.shape[1], item.shape[0]
    matrix, tilt = homography(size, pose, scene.frame)
    corners = project(matrix, size)
    width, height = scene.frame
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int) - 8, 0, (width, height))
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 8, 0, (width, height))
    part = slice(y0, y1), slice(x0, x1)
    if x0 < x1 and y0 < y1:
        shrink = np.sqrt(polygon_area(corners) / (size[0] * size[1]))
        if shrink < 0.8:  # average first, because the warp takes single samples
            item = np.asarray(
                cv2.resize(item, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8
            )
        scale = np.diag([size[0] / item.shape[1], size[1] / item.shape[0], 1])
        # The origin of OpenCV is the centre of a pixel, that of the scene its corner.
        warp = _shift(-0.5 - x0, -0.5 - y0) @ matrix @ scale @ _shift(0.5, 0.5)
        sheet = item.astype(np.float32)
        sheet[..., 3] /= 255
        sheet[..., :3] *= sheet[..., 3:]
        warped = np.asarray(cv2.warpPerspective(sheet, warp, (int(x1 - x0), int(y1 - y0))), np.float32)
        alpha = warped[..., 3]
        shifted = cv2.warpAffine(alpha, _shift(3, 4)[:2], alpha.shape[::-1])
        shadow = cv2.GaussianBlur(shifted, (0, 0), 4)
        background = (1 - 0.45 * shadow * (1 - alpha)) * (1 - alpha)
        mixed = scene.pixels[part] * background[..., None] + warped[..., :3]
        scene.pixels[part] = (mixed + np.float32(0.5)).astype(np.uint8)
        for mask in scene.uncovered:
            mask[part] *= 1 - alpha
    if number is not None:
        mask = np.zeros((height, width), np.float32)
        if x0 < x1 and y0 < y1:
            mask[part] = alpha
        scene.posters.append((number, corners, tilt))
        scene.uncovered.append(mask)


def backdrop(photos: Photos, frame: tuple[int, int], rng: np.random.Generator) -> Scene:
    """An empty scene: a wall of tinted texture, plaster or a photograph, often with a floor."""
    width, height = frame
    kind = rng.choice(["texture", "plaster", "photo"], p=[0.5, 0.25, 0.25])
    if kind == "photo":
        name = str(rng.choice([name for name in photos if name not in TEXTURES]))
        wall = np.asarray(crop(photos[name], width, height, rng, rng.uniform(1, 1.8)))
        wall = cv2.GaussianBlur(wall, (0, 0), rng.uniform(2, 6))  # out of focus, as behind a subject
    elif kind == "texture":
        wall = _tinted(photos[str(rng.choice(TEXTURES[:3]))], frame, rng)
    else:
        wall = _tinted(photos["moon"], frame, rng, contrast=0.4)
    scene = Scene(np.ascontiguousarray(wall, dtype=np.uint8))
    if rng.random() < 0.5:
        horizon = int(height * rng.uniform(0.7, 0.9))
        floor = _tinted(photos[str(rng.choice(TEXTURES))], (width, height), rng)
        scene.pixels[horizon:] = cv2.resize(floor, (width, height - horizon), interpolation=cv2.INTER_AREA)
        scene.pixels[horizon : horizon + 4] = scene.pixels[horizon : horizon + 4] // 2
    return scene


def clutter(photos: Photos, rng: np.random.Generator, size: tuple[int, int] | None = None) -> Pixels:
    """A random object [H, W, 4] (RGBA): a photo print, a painted board, a post, or a bush or stone.

    With a ``size`` (width, height) it is a print or a board of that size.
    """
    kind = rng.choice(["print", "board", "post", "bush"], p=[0.35, 0.3, 0.12, 0.23])
    width, height = size or (int(rng.integers(120, 260)), int(rng.integers(120, 260)))
    if size and kind in ("post", "bush"):
        kind = "board"
    if kind == "post":
        width, height = int(rng.integers(20, 40)), 400
    shape = np.full((height, width), 255, np.uint8)
    if kind == "print":
        name = str(rng.choice([name for name in photos if name not in TEXTURES]))
        border = int(rng.integers(0, 9))
        inner = np.asarray(
            crop(photos[name], width - 2 * border, height - 2 * border, rng, rng.uniform(1, 3))
        )
        item = np.pad(inner, ((border, border), (border, border), (0, 0)), constant_values=240)
    elif kind == "bush":
        item = _tinted(photos[str(rng.choice(["grass", "gravel", "ihc"]))], (width, height), rng)
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        radius = np.full(40, 0.36)
        for lobes in (2, 3, 5, 9):
            radius += rng.uniform(0, 0.05) * np.sin(lobes * angle + rng.uniform(0, 7))
        outline = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None] + 0.5
        shape[:] = 0
        cv2.fillPoly(shape, [(outline * [width, height]).astype(np.int32)], 255)
        cv2.GaussianBlur(shape, (0, 0), 1, dst=shape)
    else:
        item = _tinted(photos["moon"], (width, height), rng, contrast=0.4)
        if kind == "board" and rng.random() < 0.5:
            colour = list(_COLOURS[rng.integers(len(_COLOURS))])
            cv2.circle(item, (width // 2, height // 2), min(width, height) // 3, colour, -1, cv2.LINE_AA)
        if kind == "post":  # round, so darker towards both sides
            item = (item * np.sin(np.linspace(0.5, 2.9, width))[:, None]).astype(np.uint8)
    return np.dstack([item, shape])


def random_pose(view: str, rng: np.random.Generator) -> Pose:
    """A random pose of a kind of view.

    The table has the smallest and largest scale, the largest offset from the centre, and the largest angles.
    """
    smallest, largest, off_centre, yaw, pitch, roll = {
        "query": (0.68, 0.82, 0.04, 12, 8, 5),
        "plain": (0.72, 1.0, 0.07, 16, 10, 8),
        "far": (0.48, 0.66, 0.2, 26, 14, 12),
        "tilted": (0.75, 1.0, 0.07, 50, 12, 10),
        "covered": (0.7, 1.0, 0.08, 20, 12, 10),
        "cut": (0.8, 1.05, 0.08, 20, 12, 10),
        "hidden": (0.5, 0.8, 0.15, 24, 14, 12),
        "anything": (0.2, 0.6, 0.5, 40, 20, 30),
        "small": (0.1, 0.22, 0.5, 30, 15, 40),
    }[view]
    x, y = 0.5 + rng.uniform(-off_centre, off_centre, 2)
    if view == "cut":  # half outside the frame, at one of its sides
        sides = [(0.24, y), (0.76, y), (x, 0.24), (x, 0.76)]
        x, y = sides[rng.integers(4)]
    turn = rng.uniform(-yaw, yaw)
    if view == "tilted":
        turn = float(np.copysign(rng.uniform(36, yaw), turn))
    scale = rng.uniform(smallest, largest)
    return Pose((float(x), float(y)), scale, turn, rng.uniform(-pitch, pitch), rng.uniform(-roll, roll))


def cover(scene: Scene, share: float, photos: Photos, rng: np.random.Generator) -> None:
    """Cover about ``share`` of the last poster with a board or print, from one side."""
    corners = scene.posters[-1][1]
    low, high = corners.min(0), corners.max(0)
    axis, far = int(rng.integers(2)), bool(rng.integers(2))
    edge = low + share * (high - low) if not far else high - share * (high - low)
    low, high = low - 0.12 * (high - low), high + 0.12 * (high - low)
    (high if not far else low)[axis] = edge[axis]
    width, height = (int(side) for side in high - low)
    fit = min(scene.frame[0] / width, scene.frame[1] / height)
    x, y = (low + high) / 2 / scene.frame
    paste(scene, clutter(photos, rng, (width, height)), Pose((x, y), 1 / fit, roll=rng.uniform(-5, 5)))


def _shift(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=np.float64)


def _tinted(
    photo: Image.Image, size: tuple[int, int], rng: np.random.Generator, contrast: float = 1
) -> Pixels:
    """A crop of a photograph in shades of one colour: painted bricks, dry grass, plaster."""
    grey = np.asarray(crop(photo.convert("L"), *size, rng, rng.uniform(1, 1.8)))
    base = np.array(_COLOURS[rng.integers(len(_COLOURS))]) * rng.uniform(0.8, 1.15)
    base += rng.uniform(-12, 12, 3)
    shades = 1 + contrast * (np.arange(256) / max(float(grey.mean()), 1) - 1)
    table = np.clip(shades[:, None] * base, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), table[None]), np.uint8)
