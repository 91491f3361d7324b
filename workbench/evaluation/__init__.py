"""From rankings to numbers: average precision, the protocols, and paired comparison."""
