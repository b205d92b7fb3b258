"""Whole models: inference, and one training step, on every framework with the same weights."""
