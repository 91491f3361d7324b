"""Tests of ``workbench.local``."""
