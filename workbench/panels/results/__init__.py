"""workbench/panels/results"""
