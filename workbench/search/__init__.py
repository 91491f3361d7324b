"""Search among vectors: indexes, rankings, query expansion and re-ranking."""
