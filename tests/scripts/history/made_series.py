"""Series that are made of numbers alone, for what judges them."""

import numpy as np

from scripts.history.series import Point, Series


def points(values, first: int = 0, gap: int = 1, unfit=()) -> tuple[Point, ...]:
    return tuple(
        Point(f"{first + i * gap:040x}", first + i * gap, float(value), None, ("busy",) if i in unfit else ())
        for i, value in enumerate(values)
    )


def series(values, less_is_better=True, machine="box", name="ops.Add.time_call", **options) -> Series:
    made = options.pop("points", None) or points(values, unfit=options.pop("unfit", ()))
    return Series(name, "", machine, "python 3.11", "seconds", less_is_better, made, **options)


def levels(*parts: tuple[int, float], noise: float = 0.01, seed: int = 0) -> np.ndarray:
    """So many values of each level, with noise."""
    values = np.concatenate([np.full(count, level) for count, level in parts])
    return values * np.exp(np.random.default_rng(seed).normal(0, noise, len(values)))
