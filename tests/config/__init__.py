"""Tests of workbench.config."""
