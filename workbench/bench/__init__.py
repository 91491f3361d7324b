"""The interface for scripts: a bench and its accessors."""
