"""workbench/panels/local_matches"""
