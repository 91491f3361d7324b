"""The edge operators: HED, the usual one, and Canny, which is a hundred times as fast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.config.options import Options
from workbench.features import device as hardware
from workbench.features import weights
from workbench.sketch import contours

Check = Callable[[], None]  # called now and then during the work; it may raise to stop it


def proceed() -> None:
    """A check that never stops the work."""


@dataclass(frozen=True)
class EdgeOperator:
    """An edge operator: its ``title``, the name of its ``folder`` in the cache, and a ``note`` for results.

    ``lines`` takes a picture uint8 [H, W, 3] (RGB) and returns lines one pixel wide, bool [H, W].
    """

    title: str
    folder: str
    note: str
    lines: Callable[[np.ndarray, Check], np.ndarray]

    def picture(self, pixels: np.ndarray, check: Check = proceed) -> np.ndarray:
        """The contours of a picture as a picture uint8 [H, W] (``contours.contour_picture``)."""
        return contours.contour_picture(self.lines(pixels, check))


def edge_operator(options: Options) -> EdgeOperator:
    """The operator of ``options.contours``; Canny, with a note, for HED without its weights."""
    suffix = f"{contours.LONGEST}-v{contours.VERSION}"
    if options.contours == "hed":
        operator = _hed(options, suffix)
        if operator is not None:
            return operator
    from workbench.sketch.canny import canny_lines
    from workbench.sketch.hed import INSTALL

    note = (
        "the weights of the edge detector HED are not here, so sketches are compared with Canny's edges, "
        f"which are less like drawings; install them: {INSTALL}"
    )
    missing = note if options.contours == "hed" else ""
    return EdgeOperator("Canny", f"canny-{suffix}", missing, lambda pixels, _: canny_lines(pixels))


def _hed(options: Options, suffix: str) -> EdgeOperator | None:
    import torch

    from workbench.sketch import hed

    path = hed.locate(options.weights)
    if path is None:
        return None
    device = hardware.choose_device(options.device)
    precision = hardware.choose_precision(options.precision, device)
    fingerprint = weights.file_fingerprint(path)

    def lines(pixels: np.ndarray, check: Check) -> np.ndarray:
        network = hed.load(path, fingerprint, device)
        dtype = getattr(torch, precision)
        with (
            torch.inference_mode(),
            torch.autocast(torch.device(device).type, dtype, enabled=precision != "float32"),
        ):
            probability = network(torch.from_numpy(pixels.copy())[None], check)[0]
        return contours.thin_edges(probability.float().cpu().numpy())

    return EdgeOperator("HED", f"hed-{fingerprint}-{precision}-{suffix}", "", lines)
