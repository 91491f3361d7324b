"""The workbench in JupyterLab: panels linked by one session, any of them in any cell."""

from workbench.panels.layout import query_panel, show
from workbench.panels.session import Session

__all__ = ["Session", "query_panel", "show"]
