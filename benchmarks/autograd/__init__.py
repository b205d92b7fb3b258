"""Gradients: a value and its backward pass, timed together."""
