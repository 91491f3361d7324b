"""Train region proposals on generated scenes."""
