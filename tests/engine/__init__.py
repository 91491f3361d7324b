"""tests/engine"""
