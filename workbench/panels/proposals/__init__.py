"""workbench/panels/proposals"""
