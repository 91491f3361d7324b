"""Tests of workbench.descriptors."""
