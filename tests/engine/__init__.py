"""Tests of ``workbench.engine``."""
