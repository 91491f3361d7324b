"""tests/search"""
