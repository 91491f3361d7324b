"""tests/analysis"""
