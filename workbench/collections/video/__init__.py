"""Videos as collections of moments: a moment is a frame, named by its file and its time."""
