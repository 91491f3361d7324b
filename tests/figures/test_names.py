"""Names of files, labels and queries are text in every figure: no markup, link, formula or template."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

import workbench.figures
from tests.figures.samples import SAMPLES

# Markup of our own that a title or a label may have.
OURS = re.compile(r"</?(br|b|i|sub|sup|extra)\s*/?>")
MARKUP = re.compile(r"<\s*/?\s*[a-zA-Z!]")


def subjects() -> list[str]:
    """The modules of figures: those with a function of their own name."""
    names = [module.name for module in pkgutil.iter_modules(workbench.figures.__path__)]
    return [name for name in names if hasattr(import_module(f"workbench.figures.{name}"), name)]


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """All texts of a figure, each with its path."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in ("ids", "bdata", "template"):
                yield from texts(part, f"{path}.{key}")
    elif isinstance(value, (list, tuple, np.ndarray)):
        for part in np.asarray(value, object).ravel() if isinstance(value, np.ndarray) else value:
            yield from texts(part, path)
    elif isinstance(value, str):
        yield path, value


def test_every_figure_has_a_sample() -> None:
    assert set(subjects()) <= set(SAMPLES), "add the new module to tests/figures/samples.py"


@pytest.mark.parametrize("subject", sorted(SAMPLES))
def test_names_are_text(subject: str) -> None:
    figure = SAMPLES[subject]()
    assert isinstance(figure, go.Figure)
    found = list(texts(figure.to_plotly_json()))
    assert any("&lt;" in text for _, text in found), "the sample shows no hostile name"
    for path, text in found:
        assert not MARKUP.search(OURS.sub("", text)), f"{path}: {text}"
        assert "<b>bold" not in text, f"{path}: {text}"
        assert text.count("$") == 0, f"{path}: {text}"
        assert "\u202e" not in text, f"{path}: {text}"
        if path.endswith(("template", "tickformat")):
            assert "customdata} " not in text, f"{path} holds a name: {text}"
