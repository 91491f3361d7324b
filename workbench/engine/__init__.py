"""Run a pipeline on one collection: describe it, search it, evaluate it, and keep the results in memory."""
