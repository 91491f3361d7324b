"""tests/evaluation"""
