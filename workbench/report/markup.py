"""Text in a page: as text, never as markup, and with control characters escaped."""

from __future__ import annotations

import html

from workbench.config.printable import printable


def escape(text: object) -> str:
    """Text for HTML and its attributes."""
    return html.escape(printable(text))
