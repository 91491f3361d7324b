"""Measures of rankings: average precision, the protocols, and paired comparison."""
