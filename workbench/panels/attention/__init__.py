"""The panel Attention."""
