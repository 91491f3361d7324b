"""HTML of results and pages: text as text, never as markup, paragraphs, tables and pictures."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence

from workbench.common.picture_bytes import data_uri
from workbench.config.printable import printable

_NUMBER = "text-align: right; font-variant-numeric: tabular-nums"
_WORDS = "text-align: left; max-width: 48em; overflow-wrap: anywhere"
_CELL = "padding: 2px 12px 2px 0; vertical-align: baseline"


def escape(text: object) -> str:
    """Text for HTML and its attributes, with control characters escaped."""
    return html.escape(printable(text))


def paragraph(lines: Iterable[str]) -> str:
    """Lines of HTML; empty ones are left out."""
    return f'<p style="overflow-wrap: anywhere; margin: 4px 0">{"<br>".join(filter(None, lines))}</p>'


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], words: Collection[int] = (0,)) -> str:
    """A table with titles as text and cells of HTML; columns in ``words`` hold text, the others numbers."""
    styles = [f'style="{_CELL}; {_WORDS if n in words else _NUMBER}"' for n in range(len(titles))]
    head = [
        f'<th scope="col" {style}>{escape(title)}</th>' for title, style in zip(titles, styles, strict=True)
    ]
    body = [[f"<td {s}>{cell}</td>" for cell, s in zip(row, styles, strict=True)] for row in rows]
    lines = "".join(f"<tr>{''.join(cells)}</tr>" for cells in (head, *body))
    return (
        '<div style="overflow-x: auto"><table style="border-collapse: collapse; line-height: 1.5">'
        f"{lines}</table></div>"
    )


def place(box: Sequence[float], ratio: float) -> str:
    """The place of a box (fractions) in a picture of that ratio of width to height, drawn small."""
    x0, y0, x1, y1 = box
    width, height = (24, 24 / ratio) if ratio > 1.25 else (20 * ratio, 20)
    return (
        f'<svg aria-hidden="true" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 1 1"'
        ' preserveAspectRatio="none" style="vertical-align: middle; margin-right: 8px">'
        '<rect width="1" height="1" fill="#8888" />'
        f'<rect x="{x0:.3f}" y="{y0:.3f}" width="{x1 - x0:.3f}" height="{y1 - y0:.3f}" fill="#d9630c"/></svg>'
    )


def picture(content: bytes, description: str) -> str:
    """The contents of a JPEG or PNG file as a picture, with what it shows."""
    return f'<img style="max-width: 100%" alt="{escape(description)}" src="{data_uri(content)}">'
