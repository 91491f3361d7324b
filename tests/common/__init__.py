"""Tests of workbench.common."""
