"""Tests of workbench.collections."""
