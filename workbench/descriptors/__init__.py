"""Descriptors: feature maps pooled over regions, weighted, whitened and summed to vectors."""
