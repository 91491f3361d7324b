"""Rankings of queries, and the interface of an index that produces them."""

from __future__ import annotations
