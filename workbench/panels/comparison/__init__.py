"""workbench/panels/comparison"""
