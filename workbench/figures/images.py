"""Figures as image files by kaleido (optional), without its requests to the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import plotly.io as pio

from workbench.common.packages import install_command
from workbench.config.errors import WorkbenchError

_NO_MATHJAX = Path(__file__).with_name("no_mathjax.js")  # figures have no formulas


@contextmanager
def offline_kaleido() -> Iterator[None]:
    """Let kaleido draw without MathJax, which it would fetch. Raises WorkbenchError if it cannot draw."""
    before = pio.defaults.mathjax
    pio.defaults.mathjax = str(_NO_MATHJAX)
    try:
        yield
    except RuntimeError as error:  # of plotly, kaleido and its browser
        missing = "pip install" in str(error)
        hint = f"run {install_command('images')}" if missing else "install Chromium or Chrome"
        raise WorkbenchError(f"an image file of a figure needs kaleido and a browser: {hint}") from error
    finally:
        pio.defaults.mathjax = before
