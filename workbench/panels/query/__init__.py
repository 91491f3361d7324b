"""workbench/panels/query"""
