"""Tests of ``workbench.evaluation``."""
