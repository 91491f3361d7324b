"""Render the frames of a planned video, and the ground truth of the posters in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.collections.posters.camera import camera_effects
from workbench.collections.posters.photos import crop
from workbench.collections.posters.scenes import (
    TEXTURES,
    Photos,
    Pixels,
    Scene,
    backdrop,
    clutter,
    cover,
    paste,
    random_pose,
)
from workbench.collections.posters.views import Matrix, View
from workbench.collections.reels.camera import FRAME, SCENE, Window, path, picture, seen_area
from workbench.collections.reels.plan import ClipPlan, ShotPlan
from workbench.common.geometry import polygon_area

Frame = NDArray[np.uint8]
_SOFTNESS = 0.7  # pixels of blur, as grain that moves with the camera costs most of a video's bytes
LEAST = 0.01  # visible share of a poster below which a frame is without it


@dataclass(frozen=True)
class PosterInScene:
    """A poster in a scene: its corners [4, 2], tilt, and the summed-area table of its uncovered pixels."""

    number: int
    corners: Matrix
    tilt: float
    uncovered: NDArray[np.float64]

    def view(self, window: Window) -> View:
        """The ground truth of the poster in the frame that shows a window."""
        area = polygon_area(self.corners)
        return View(
            self.number,
            (self.corners - (window.x, window.y)) / window.scale,
            min(seen_area(self.uncovered, window) / area, 1.0),
            self.tilt,
            area / window.scale**2 / (FRAME[0] * FRAME[1]),
        )


@dataclass(frozen=True)
class RenderedShot:
    """The scene of a shot, the windows of its frames, and the posters in the scene.

    The windows begin ``lead`` frames before the shot, in the transition that leads to it.
    """

    scene: Pixels
    windows: list[Window]
    lead: int
    posters: list[PosterInScene]


@dataclass(frozen=True)
class Studio:
    """What scenes are made of: photographs by name, and posters [H, W, 4] by number."""

    photos: Mapping[str, Image.Image]
    posters: Mapping[int, Pixels]


class ClipFrames:
    """The frames of a planned clip, RGB uint8 [h, w, 3] by number, rendered when they are read."""

    def __init__(self, clip: ClipPlan, studio: Studio) -> None:
        self._clip, self._studio = clip, studio
        self.shot = lru_cache(2)(self._shot)

    def frame(self, number: int) -> Frame:
        """Frame ``number``; frames are best read in order, as only two scenes are kept."""
        borders, changes = self._clip.borders, self._clip.changes
        place = max(i for i, border in enumerate(borders[:-1]) if border <= number)
        for border, change, before in zip(borders[1:-1], changes, range(len(changes)), strict=True):
            if not border - change.half <= number < border + change.half:
                continue
            share = (number - border + change.half + 0.5) / (2 * change.half)
            if change.kind == "dissolve":
                first, second = self.seen(before, number), self.seen(before + 1, number)
                return np.asarray(cv2.addWeighted(first, 1 - share, second, share, 0), np.uint8)
            return np.asarray(
                cv2.convertScaleAbs(self.seen(place, number), alpha=abs(2 * share - 1)), np.uint8
            )
        return self.seen(place, number)

    def frames(self) -> Iterator[Frame]:
        """All frames."""
        for number in range(self._clip.frames):
            yield self.frame(number)

    def views(self) -> Iterator[tuple[int, View]]:
        """(frame, view) of each poster that is seen in a shot, in order; not of the shots that a transition
        mixes into the frames of the shot before or after."""
        borders = self._clip.borders
        for place, start in enumerate(borders[:-1]):
            shot = self.shot(place)
            for number in range(start, borders[place + 1]):
                window = shot.windows[number - start + shot.lead]
                for poster in shot.posters:
                    view = poster.view(window)
                    if view.visible >= LEAST:
                        yield number, view

    def seen(self, place: int, number: int) -> Frame:
        """What the camera sees of shot ``place`` at a frame, without transitions."""
        shot = self.shot(place)
        return picture(shot.scene, shot.windows[number - self._clip.borders[place] + shot.lead])

    def _shot(self, place: int) -> RenderedShot:
        plan = self._clip.shots[place]
        halves = [0, *(change.half for change in self._clip.changes), 0]
        lead, trail = halves[place], halves[place + 1]
        rng = np.random.default_rng(plan.seed)
        pixels, posters = _scene(plan, self._studio, rng)
        target = posters[-1].corners.mean(0) if posters else rng.uniform(0.35, 0.65, 2) * SCENE
        windows = path(plan.move, (float(target[0]), float(target[1])), lead + plan.frames + trail, rng)
        return RenderedShot(pixels, windows, lead, posters)


def _scene(plan: ShotPlan, studio: Studio, rng: np.random.Generator) -> tuple[Pixels, list[PosterInScene]]:
    """Render the scene of a shot."""
    photos: Photos = studio.photos
    if plan.view == "photo":
        name = str(rng.choice([name for name in photos if name not in TEXTURES]))
        still = np.asarray(crop(photos[name], *SCENE, rng, rng.uniform(1, 1.6)))
        return _filmed(still, rng, 0.2), []
    scene = backdrop(photos, SCENE, rng)
    for _ in range(rng.integers(1, 5)):
        paste(scene, clutter(photos, rng), random_pose("anything", rng))
    if plan.number is not None:
        paste(scene, studio.posters[plan.number], random_pose(plan.view, rng), plan.number)
        if plan.view == "covered":
            cover(scene, float(rng.uniform(0.2, 0.38)), photos, rng)
    for _ in range(rng.integers(0, 3)):
        paste(scene, clutter(photos, rng), random_pose("small", rng))
    return _filmed(scene.pixels, rng, 0.3), _posters(scene)


def _filmed(pixels: Pixels, rng: np.random.Generator, hardship: float) -> Pixels:
    effects = camera_effects(pixels, rng, hardship)
    return np.asarray(cv2.GaussianBlur(effects, (0, 0), _SOFTNESS), np.uint8)


def _posters(scene: Scene) -> list[PosterInScene]:
    return [
        PosterInScene(number, corners, tilt, np.asarray(cv2.integral(mask, sdepth=cv2.CV_64F)))
        for (number, corners, tilt), mask in zip(scene.posters, scene.uncovered, strict=True)
    ]
