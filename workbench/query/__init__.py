"""The query language: parts (images, text, sketches) that are added and combined."""
