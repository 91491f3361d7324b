"""Fine-tune the last blocks of a backbone on a labelled collection."""
