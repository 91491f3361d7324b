"""workbench/panels/embedding_map"""
