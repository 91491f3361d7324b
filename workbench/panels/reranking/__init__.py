"""workbench/panels/reranking"""
