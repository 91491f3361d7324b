"""Tests of ``workbench.features``."""
