"""workbench/panels/training"""
