"""workbench/panels/video"""
