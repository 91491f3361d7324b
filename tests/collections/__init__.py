"""tests/collections"""
