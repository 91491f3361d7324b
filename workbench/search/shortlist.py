"""Re-rank the first results of a search and keep the others, in their order, behind them."""

from __future__ import annotations
