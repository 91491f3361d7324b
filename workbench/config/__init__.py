"""Pipelines, options and errors."""
