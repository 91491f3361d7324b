"""The embedded collection of posters."""
