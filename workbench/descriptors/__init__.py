"""Feature maps to vectors."""
