"""workbench/panels/classes"""
