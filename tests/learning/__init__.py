"""tests/learning"""
