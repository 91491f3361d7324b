"""workbench/panels/history"""
