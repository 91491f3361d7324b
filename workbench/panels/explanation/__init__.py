"""workbench/panels/explanation"""
