"""Train HardNet: pairs of patches, batches of them, the loss on the hardest negatives."""
