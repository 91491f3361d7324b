"""The figure of a batch: which patch is where, its distance, and which negative is taken."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.patch_batches import mined_batch


def greys(figure: Any) -> np.ndarray:
    """The grey of each patch, [pairs, rows]."""
    values = []
    for image in figure.layout.images:
        data = base64.b64decode(image.source.partition(",")[2])
        values.append(np.asarray(Image.open(io.BytesIO(data)))[0, 0])
    return np.reshape(values, (-1, 4))


def test_columns_are_pairs_with_their_hardest_negatives() -> None:
    batch = mined_batch()
    figure = batch.figure()
    assert greys(figure).tolist() == [[0, 5, 15, 20], [10, 15, 25, 0], [20, 25, 5, 10]]
    texts = [note.text for note in figure.layout.annotations]
    distances = ["0.20", "0.50 taken", "1.00", "0.40", "1.50", "1.25 taken", "0.60", "0.25 taken", "0.75"]
    assert [re.sub("</?b>", "", text) for text in texts[:9]] == distances
    # A frame is around the taken negative: third row of pairs 1 and 3, fourth row of pair 2.
    frames = [(shape.x0, shape.y0) for shape in figure.layout.shapes]
    taken = [figure.layout.images[4 * pair + row] for pair, row in ((0, 2), (1, 3), (2, 2))]
    assert frames == [(image.x, image.y) for image in taken]
    assert figure.data[0].hovertext[2] == "pair 1, nearest positive, distance 0.500, taken, a.jpg"


def test_titles_say_batch_loss_network_and_data() -> None:
    figure = mined_batch(collection="posters").figure()
    mean = (0.7 + 0.15 + 1.35) / 3  # 1 + 0.2 − 0.5, 1 + 0.4 − 1.25, 1 + 0.6 − 0.25
    assert figure.layout.title.text == f"HardNet batch 5: mean loss {mean:.2f}"
    assert figure.layout.title.subtitle.text.startswith("n = 3 pairs, 3 of them drawn · distances by hardnet")
    assert figure.layout.title.subtitle.text.endswith("semi-synthetic data")


def test_html_has_the_numbers_and_the_patches() -> None:
    html = mined_batch(network="<b>")._repr_html_()
    assert "&lt;b&gt;: mean loss 0.733" in html
    assert "For 1 of 3 pairs the hardest negative is nearer" in html  # 0.25 < 0.6
    assert "nearest to the anchor 2 times" in html
    assert html.count("<img") == 1
    assert repr(mined_batch()) == "MinedBatch(3 pairs of 1 photos by 'hardnet', mean loss 0.733)"
    assert float(mined_batch().loss.mean()) == pytest.approx(2.2 / 3)
