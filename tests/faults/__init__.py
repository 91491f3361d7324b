"""Attacks and faults, in short forms."""
