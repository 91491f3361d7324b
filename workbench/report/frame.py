"""The frame of a page: one HTML file that opens offline, with live figures or without any script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import plotly.io as pio

from workbench.figures.style import DARK, LIGHT, Figure, plain
from workbench.report.markup import escape
from workbench.report.static_figures import HEIGHT, TOP, WIDTH, inner_height, pictures

_STATIC = Path(__file__).with_name("static")
# In a script, ``</script>`` or ``<!--`` would end it or change how it is read.
_JSON_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def document(title: str, body: str, static: bool = False) -> str:
    """A page as text: ``body`` is HTML, in which figures were put by ``drawn`` with the same ``static``.

    Its policy allows no request, and no script but plotly.js and that of the page, by their hashes.
    """
    policy = ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "style-src 'unsafe-inline'"]
    scripts = "" if static else _scripts()
    if static:
        policy.append("img-src data:")
    else:  # blob: pictures that plotly saves
        hashes = " ".join(map(_hash, (plotly_script(), _page_script())))
        policy += ["img-src data: blob:", f"script-src {hashes}"]
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{"; ".join(policy)}">
<title>{escape(title)}</title><style>{(_STATIC / "page.css").read_text("utf-8")}</style>
<main>
{body}
</main>
{scripts}</html>
"""


def drawn(figures: Sequence[Figure], static: bool = False) -> list[str]:
    """The figures as HTML for ``document``: live ones, or pictures in both colour schemes."""
    if static:
        return [_image(*pair) for pair in zip(figures, pictures(figures), strict=True)]
    return [_chart(figure) for figure in figures]


@lru_cache(maxsize=1)
def plotly_script() -> str:
    """plotly.js as it comes with plotly, which embeds it in pages as it is."""
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8")


def _page_script() -> str:
    return (_STATIC / "page.js").read_text("utf-8")


def _scripts() -> str:
    templates = {"light": pio.templates[LIGHT], "dark": pio.templates[DARK]}
    content = {name: template.to_plotly_json() for name, template in templates.items()}
    return f"""<script type="application/json" id="templates">{_json({**content, "above": TOP})}</script>
<script>{plotly_script()}</script><script>{_page_script()}</script>
"""


def _chart(figure: Figure) -> str:
    content = figure.to_plotly_json()
    content["layout"] = {**content["layout"], "height": figure.layout.height or HEIGHT}
    content["layout"].pop("template", None)  # that of the page's colour scheme takes its place
    caption, title = _caption(figure)
    return (
        f'<figure class="plot">{caption}<div class="chart" role="group" aria-label="{escape(title)}" '
        f'style="height: {inner_height(figure)}px"></div>'
        f'<script type="application/json">{_json(content)}</script>'
        '<noscript>This figure needs JavaScript; "--static" writes the page without it.</noscript></figure>'
    )


def _image(figure: Figure, schemes: Mapping[str, bytes]) -> str:
    caption, title = _caption(figure)
    images = "".join(
        f'<img class="{scheme}" alt="{escape(title)}" width="{WIDTH}" height="{inner_height(figure)}" '
        f'src="data:image/svg+xml;base64,{base64.b64encode(picture).decode()}">'
        for scheme, picture in schemes.items()
    )
    return f'<figure class="plot">{caption}{images}</figure>'


def _caption(figure: Figure) -> tuple[str, str]:
    """The titles above a figure, where lines break as the page needs; and the title as text."""
    titles = figure.layout.title
    title, below = plain(titles.text, "\n"), plain(titles.subtitle.text, "\n")
    return f'<figcaption>{escape(title)}<br><span class="quiet">{escape(below)}</span></figcaption>', title


def _json(content: object) -> str:
    return str(pio.json.to_json_plotly(content)).translate(_JSON_ESCAPES)


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
