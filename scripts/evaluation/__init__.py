"""How well history, gate and bisect do, with fixed seeds: `python -m scripts evaluate`."""
