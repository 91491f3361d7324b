"""Local features: keypoints, patches, descriptors, visual words, matching and spatial verification."""
