"""workbench/panels/index_tradeoff"""
