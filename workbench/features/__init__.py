"""Feature maps of images, computed once and stored."""
