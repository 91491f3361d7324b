"""Tests of workbench.bench."""
