"""Tests of ``workbench.search``."""
