"""The figure of two aligned videos: a matrix of similarities with the copied segments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.support.alignments import alignment_of
from workbench.figures.frame_alignment import MOST


def test_matrix_and_the_line_of_a_segment() -> None:
    figure = alignment_of("<b>q", "$x$").figure()
    matrix, line = figure.data
    assert matrix.z.tolist() == np.eye(3, 5).tolist()
    assert (list(matrix.x), list(matrix.y)) == ([0, 1, 2, 3, 4], [0, 1, 2])
    assert (list(line.x), list(line.y)) == ([0, 3], [0, 3])
    assert line.hovertext[0] == "0.0–3.0 s is 0.0–3.0 s, score 3.0"
    shown = figure.layout.title.subtitle.text
    assert shown.startswith("&lt;b&gt;q with &#36;x&#36;") and "3 × 5 frames" in shown
    assert figure.layout.yaxis.title.text == "time in &lt;b&gt;q, s"


def test_long_videos_are_drawn_with_the_best_of_neighbours() -> None:
    result = alignment_of(frames=(10, 3 * MOST))
    figure = result.figure()
    assert np.shape(figure.data[0].z) == (10, MOST)
    assert list(figure.data[0].z[4]) == [0, 1, *[0] * (MOST - 2)]


def test_videos_without_frames_are_a_notice() -> None:
    empty = replace(alignment_of(), similarities=np.zeros((0, 5)), query_times=np.zeros(0))
    assert "no frames" in empty.figure().layout.annotations[0].text
