"""tests/explain"""
