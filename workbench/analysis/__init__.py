"""Studies of a described collection: index trade-off, embedding map, co-occurrence, recall, grid search."""
