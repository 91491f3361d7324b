"""Widgets drawn in the browser. They show pictures, tables and text, and do not know the session."""
