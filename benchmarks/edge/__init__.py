"""Small machines: how soon a model answers in a fresh process, how steadily, and in how much memory."""
