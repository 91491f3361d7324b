"""Tests of ``workbench.panels``."""
