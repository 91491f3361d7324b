"""Sketches: contours of drawings and photographs, and colour layouts."""
