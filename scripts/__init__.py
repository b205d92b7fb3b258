"""What a person types: `python -m scripts <command>` is asv with more commands."""
