"""Faults and hostile input: killed processes, damaged and forged files."""
