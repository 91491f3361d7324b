"""tests/features"""
