"""Local features: keypoints, their descriptors, visual words and spatial verification."""
