"""tests/report"""
