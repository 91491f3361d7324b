"""tests/descriptors"""
