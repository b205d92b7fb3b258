"""The parts of `bisect`: the line of commits, the measuring of it, and what is shown of it."""
