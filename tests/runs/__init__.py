"""Tests of ``workbench.runs``."""
