"""Operators: seconds per call, rates, memory and standing among peers."""
