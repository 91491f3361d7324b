"""tests/runs"""
