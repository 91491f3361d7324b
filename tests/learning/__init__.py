"""Tests of ``workbench.learning``."""
