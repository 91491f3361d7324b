"""A summary of videos as HTML: its moments as pictures with their times, what it covers, and the methods."""

from __future__ import annotations

from workbench.analysis.summary import Summary
from workbench.collections.video.moment import clock, seconds_of, video_of
from workbench.common.picture_bytes import data_uri, jpeg
from workbench.config.errors import WorkbenchError
from workbench.report.markup import escape, paragraph, table

_SIDE = 160  # pixels of a picture's longer side
_MOST = 60  # pictures


def moments_summary(result: Summary) -> str:
    """The moments as pictures in order of time, and the sentence of what they cover."""
    lines = [
        f"<b>Summary of {escape(result.video or result.collection)}</b>",
        escape(result.sentence),
        f"<code>{escape(result.pipeline)}</code>",
        *(f"⚠ {escape(warning)}" for warning in result.warnings),
    ]
    figures = "".join(_figure(result, number) for number in range(min(len(result.moments), _MOST)))
    more = len(result.moments) - _MOST
    rest = paragraph([f"{more:,} more in <code>.moments</code>"]) if more > 0 else ""
    return f'{paragraph(lines)}<div style="display: flex; flex-wrap: wrap; gap: 8px">{figures}</div>{rest}'


def moments_still(result: Summary) -> str:
    """The coverage by the number of moments, beside other methods and the bound, in percent."""
    rows = [
        [f"{int(k)}", *(f"{100 * value:.1f}" for value in values)]
        for k, *values in result.table.itertuples(index=False, name=None)
    ]
    titles = ["moments", "facility location, %", "uniform in time, %", "k-means, %", "no choice has more, %"]
    return table(titles, rows, words=())


def _figure(result: Summary, number: int) -> str:
    name = result.moments[number]
    caption = clock(seconds_of(name))
    if not result.video:
        caption += f" {video_of(name).rpartition('/')[2]}"
    try:
        source = data_uri(jpeg(result.pictures[number].load(_SIDE)))
        shown = f'<img alt="{escape(name)}" src="{source}" style="display: block; margin-bottom: 2px">'
    except WorkbenchError as error:
        shown = f"<div>{escape(error)}</div>"
    style = f"margin: 0; width: {_SIDE}px; overflow-wrap: anywhere; line-height: 1.3"
    clipped = "display: block; max-height: 4em; overflow: hidden"
    named = f'<figcaption style="{clipped}">{escape(caption)}</figcaption>'
    return f'<figure style="{style}">{shown}{named}</figure>'
