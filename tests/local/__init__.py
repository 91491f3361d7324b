"""tests/local"""
