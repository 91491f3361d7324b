"""workbench/panels/budget"""
