"""Common principal components of two pictures as HTML: the shares of variance, and both pictures."""

from __future__ import annotations

from workbench.common.picture_bytes import jpeg
from workbench.explain.components import Components, shares_text
from workbench.report.markup import escape, paragraph, picture
from workbench.report.pictures import components_picture

_SIDE = 400  # pixels of a picture's longer side


def components_summary(components: Components) -> str:
    """Names, pipeline and the shares of the first components."""
    names = " and ".join(picture.name for picture in components.pictures or ())
    head = " · ".join(filter(None, [names, components.pipeline]))
    return paragraph([f"<b>{escape(head)}</b>", escape(shares_text(components.shares))])


def components_still(components: Components) -> str:
    """Both pictures under the colours of their first three components; empty without pictures."""
    if components.pictures is None:
        return ""
    return picture(
        jpeg(components_picture(components, side=_SIDE)), "both under the components of their cells"
    )
