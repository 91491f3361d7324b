"""Tests of ``workbench.explain``."""
