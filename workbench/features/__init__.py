"""Images to feature maps, computed once and kept."""
