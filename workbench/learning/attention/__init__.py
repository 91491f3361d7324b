"""Train regional attention: composites of photos, pooled regions, the weights and their training."""
