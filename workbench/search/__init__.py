"""Descriptors to rankings."""
