"""Tests of ``workbench.report``."""
