"""tests/panels"""
