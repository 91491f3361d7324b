"""tests/common"""
