"""workbench/panels/configuration"""
