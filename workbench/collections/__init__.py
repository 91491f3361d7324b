"""Images and their ground truth, from many sources in one form."""
