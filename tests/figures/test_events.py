"""The figures and the HTML of events and of their recounting."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.events import events_of, recounting_of


def test_a_strip_for_each_video_with_its_events_framed() -> None:
    figure = events_of(["clips/b.mp4", "clips/a.mp4"]).figure()
    heat = next(trace for trace in figure.data if trace.type == "heatmap")
    assert np.asarray(heat.z)[0].tolist() == [0, 1, 1, 3, 3, 1, 1, 1]  # at 0.25, 0.75, … 3.75 s
    points = next(trace for trace in figure.data if trace.name == "events")
    assert list(points.x) == [2.0] and list(points.ids) == ["clips/b.mp4#t=2.00"]
    frame = next(trace for trace in figure.data if trace.type == "scatter" and trace.mode == "lines")
    assert (np.nanmin(frame.x), np.nanmax(frame.x)) == (1.5, 2.5)
    assert list(figure.layout.yaxis.ticktext) == ["b.mp4", "a.mp4"]
    assert "n = 1 events · threshold 2.00, 1 s or longer" in figure.layout.title.subtitle.text


def test_many_videos_are_drawn_in_part_and_none_is_said() -> None:
    figure = events_of([f"{number}.mp4" for number in range(300)], with_events=40).figure()
    assert "30 of 300 videos drawn" in figure.layout.title.subtitle.text
    assert len(figure.layout.yaxis.ticktext) == 30 and figure.layout.yaxis.ticktext[0] == "0.mp4"
    assert "no moment" in events_of([]).figure().layout.annotations[0].text
    assert len(events_of(["a.mp4"], with_events=0).figure().data) == 4


def test_recounting_draws_moments_and_adds_up_to_the_score() -> None:
    why = recounting_of()
    figure = why.figure()
    bars = next(trace for trace in figure.data if trace.type == "bar")
    # The second part adds 2 and the first 1, each in two regions of 3/4 and 1/4.
    assert list(bars.x) == pytest.approx([2, 1.5, 0.5, 1, 0.75, 0.25, 3])
    assert [note.text for note in figure.layout.annotations] == ["0:00.0: +1.500", "0:01.0: +1.500"]
    heats = [trace for trace in figure.data if trace.type == "heatmap"]
    assert sum(np.sum(heat.z) for heat in heats) + why.constant == pytest.approx(why.score)
    assert figure.layout.title.text == "Event image:a + text:b: score 3.000"
    assert "n = 2 moments" in figure.layout.title.subtitle.text


def test_recounting_of_long_events_shows_some_moments() -> None:
    figure = recounting_of(moments=40).figure()
    assert sum(trace.type == "heatmap" for trace in figure.data) == 6
    assert "heat of 6 of them" in figure.layout.title.subtitle.text


def test_html_has_intervals_and_sums() -> None:
    html = events_of(["<b>x.mp4"], 'text:"<i>"')._repr_html_()
    assert "&lt;b&gt;x.mp4" in html and "<b>x" not in html and "0:01.5" in html and "3.00" in html
    assert "1 event in 1 of 1 videos" in html
    why = recounting_of(("image:<b>a", "text:b"))._repr_html_()
    assert "image:&lt;b&gt;a" in why and "<b>a" not in why and why.count("<img") == 1
    assert "0:00.0–0:02.0 scores 3.000, 1.000 above the threshold of 2.000" in why
    assert "+1.5000" in why and "<script" not in why


def test_text_is_short() -> None:
    assert "0:01.5–0:02.5  3.00  a.mp4" in repr(events_of())
    assert "and 28 more" in repr(events_of([f"{n}.mp4" for n in range(40)], with_events=40))
    assert repr(recounting_of()).splitlines()[1:] == ["  text:b  +2.0000", "  image:a  +1.0000"]
