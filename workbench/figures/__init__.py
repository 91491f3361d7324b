"""Plotly figures of results, one file a subject: a module's function of its own name returns the Figure."""
