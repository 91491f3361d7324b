"""Exact attributions of scores to cells, regions, channels and words."""
