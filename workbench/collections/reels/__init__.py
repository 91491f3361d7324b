"""The embedded collection of videos."""
