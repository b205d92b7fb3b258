"""Steps beside a slow drift, fitted by least squares: which of them hold, and where they stand."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# Below this a level has no noise to be compared with, nor a step room to be looked for.
MIN_VALUES = 10
# A drift of about a period takes this many to be told from a step.
MIN_VALUES_FOR_DRIFT = 60
# Cost of a step and of each parameter of a drift where models are compared, in units of the noise's variance. A step
# is dearer than a drift of two parameters: a slow wave of the noise's own size must not look like steps.
STEP_COST, DRIFT_COST = 14.0, 5.0
# Squared t that a step must reach is this + 2 ln n: the largest of n correlated ones grows so.
STEP_THRESHOLD = 7.0
# Waves a series, from half a period to one and a quarter: slower is a line, faster is no drift.
WAVES = (0.5, 0.75, 1.0, 1.25)
# Variance of a drift, in the noise's, from which waves between these are tried as well.
STRONG_DRIFT = 2.0


def _from_each(a: Array) -> Array:
    """Sums along the first axis from each index to the end."""
    return a.sum(0) - np.cumsum(a, 0) + a


class Drift:
    """An orthonormal `basis`, and the squared length of a step at each index less what the drift can stand for."""

    def __init__(self, columns: Sequence[Array]):
        self.basis: Array = np.linalg.qr(np.array(columns).T)[0]
        self.lengths: Array = np.arange(len(self.basis), 0, -1) - (_from_each(self.basis) ** 2).sum(1)

    def without(self, a: Array) -> Array:
        """`a` less its projection on the drift."""
        return a - self.basis @ (self.basis.T @ a)

    @property
    def parameters(self) -> int:
        """Columns beside the constant."""
        return self.basis.shape[1] - 1


@lru_cache(maxsize=64)
def _drifts(n: int) -> tuple[Drift, ...]:
    """Drifts of n values: none but a constant, a line, and one slow wave of each kind."""
    constant = Drift([np.ones(n)])
    if n < MIN_VALUES_FOR_DRIFT:
        return (constant,)
    return (constant, Drift([np.ones(n), np.arange(n) / n - 0.5]), *(_wave(n, waves) for waves in WAVES))


@lru_cache(maxsize=256)
def _wave(n: int, waves: float) -> Drift:
    """A constant and so many waves over n values, of any phase."""
    angle = 2 * np.pi * waves * (np.arange(n) / n - 0.5)
    return Drift([np.ones(n), np.cos(angle), np.sin(angle)])


class Model:
    """Least squares of `z` on a drift and steps; `variance` is of the noise, `inflation` what its correlation adds."""

    def __init__(self, z: Array, drift: Drift, steps: Sequence[int]):
        self.z, self.drift, self.steps = z, drift, list(steps)
        self.base: Array = drift.without(z)
        self.effects: Array = np.empty(0)
        self.inverse: Array = np.empty((0, 0))
        self.rest: Array = self.base
        self.variance, self.inflation = 0.0, 1.0
        self.solve()

    def raised(self, steps: Sequence[int]) -> Array:
        """A column for each step: 0 before it, 1 from it on."""
        return (np.arange(len(self.z))[:, None] >= np.array(steps, int)).astype(float)

    def solve(self) -> None:
        """Fit again after `steps` has changed."""
        if not self.steps:
            self.effects, self.inverse, self.rest = np.empty(0), np.empty((0, 0)), self.base
            return
        raised = self.drift.without(self.raised(self.steps))
        # The small addition keeps a step that the drift can wholly stand for from stopping the inversion.
        self.inverse = np.linalg.inv(raised.T @ raised + 1e-9 * np.eye(len(self.steps)))
        self.effects = self.inverse @ (raised.T @ self.base)
        self.rest = self.base - raised @ self.effects

    @property
    def squared_t(self) -> Array:
        """Of each step, before inflation."""
        return self.effects**2 / (np.diag(self.inverse) * self.variance)

    @property
    def cost(self) -> float:
        """Misfit and parameters together; the model with the least is taken."""
        misfit = float(self.rest @ self.rest) / (self.variance * self.inflation)
        return misfit + STEP_COST * len(self.steps) + DRIFT_COST * self.drift.parameters

    def least_squared_t(self, steps: int) -> float:
        """Squared t that each of so many steps must reach.

        It grows as the likelihood ratio has it: with few values the noise is not well known.
        """
        spare = max(5, len(self.z) - steps - self.drift.parameters - 1)
        return spare * math.expm1((STEP_THRESHOLD + 2 * math.log(len(self.z))) / spare) * self.inflation

    def drop_weak(self) -> None:
        """Take out the weakest step until all reach the threshold."""
        while self.steps and self.squared_t.min() < self.least_squared_t(len(self.steps)):
            del self.steps[int(np.argmin(self.squared_t))]
            self.solve()

    def gain(self, others: Sequence[int]) -> Array:
        """Misfit that a step at each index takes away beside the drift and the steps `others`."""
        rest, length = self.base, self.drift.lengths
        if others:
            own = np.linalg.qr(self.drift.without(self.raised(others)))[0]
            rest = rest - own @ (own.T @ rest)
            length = length - (_from_each(own) ** 2).sum(1)
        total = _from_each(rest)
        gain = np.where(length > 0.5, total**2 / np.maximum(length, 0.5), 0.0)
        gain[0] = 0.0
        return gain

    def add_missed(self) -> None:
        """Add the one long-lasting step that the kernel, which looks at distributions, may not have seen."""
        gain = self.gain(self.steps)
        for edge in (0, len(self.z), *self.steps):
            gain[max(0, edge - MIN_VALUES + 1) : edge + MIN_VALUES] = 0
        best = int(np.argmax(gain))
        if gain[best] >= self.least_squared_t(len(self.steps) + 1) * self.variance:
            self.steps = sorted([*self.steps, best])
            self.solve()
            self.drop_weak()

    def place(self) -> None:
        """Move each step to where it fits best nearby."""
        for i in range(len(self.steps)):
            near, gain = self.around(i)
            self.steps[i] = near.start + int(np.argmax(gain[near]))
        self.solve()

    def around(self, i: int, reach: int = 8) -> tuple[slice, Array]:
        """Indices to which step `i` could move, and the gain at every index."""
        ends = [0, *self.steps, len(self.z)]
        low, high = max(ends[i] + 2, ends[i + 1] - reach), min(ends[i + 2] - 2, ends[i + 1] + reach)
        return slice(min(low, ends[i + 1]), max(high, ends[i + 1]) + 1), self.gain(self.steps[:i] + self.steps[i + 1 :])

    def drift_energy(self) -> float:
        """Sum of squares of the drift about its mean."""
        fitted = self._fitted_drift()
        return float(((fitted - fitted.mean()) ** 2).sum())

    def _fitted_drift(self) -> Array:
        level = self.z - self.raised(self.steps) @ self.effects
        return level - self.drift.without(level)

    def drift_range(self) -> float:
        """Change along the drift from its lowest to its highest, negative where the lowest comes last."""
        if not self.drift.parameters:
            return 0.0
        fitted = self._fitted_drift()
        low, high = int(np.argmin(fitted)), int(np.argmax(fitted))
        return float(fitted[high] - fitted[low]) * (1 if high > low else -1)


def best_model(z: Array, levels: list[int], resolution: float) -> Model:
    """The cheapest of all drifts, each with the steps that hold beside it."""
    models = [Model(z, drift, levels) for drift in _drifts(len(z))]
    spare = [max(5, len(z) - len(levels) - model.drift.parameters - 1) for model in models]
    variances = [float(model.rest @ model.rest) / dof for model, dof in zip(models, spare, strict=True)]
    # The noise is what is left beside the drift that leaves least; rounding leaves its twelfth even so.
    least = int(np.argmin(variances))
    variance = max(variances[least], resolution**2 / 3, 1e-18)
    rounded = variance > variances[least]
    inflation = 1.0 if rounded else _inflation(models[least].rest, len(z) - spare[least])
    best = min((_improved(model, variance, inflation) for model in models), key=lambda model: model.cost)
    waves = models.index(best) - (len(models) - len(WAVES))
    if waves >= 0 and best.drift_energy() > STRONG_DRIFT * len(z) * variance:
        # The few waves stand for all between them, but not where the drift is far above the noise.
        closer = [_wave(len(z), WAVES[waves] + part / 16) for part in (-2, -1, 1, 2)]
        near = [_improved(Model(z, drift, levels), variance, inflation) for drift in closer]
        best = min([best, *near], key=lambda model: model.cost)
    return best


def _improved(model: Model, variance: float, inflation: float) -> Model:
    """The model with the steps that hold against this noise, each where it fits best."""
    model.variance, model.inflation = variance, inflation
    model.drop_weak()
    if len(model.steps) <= 1 and len(model.z) > 2 * MIN_VALUES:
        model.add_missed()
    if model.steps:
        model.place()
    return model


def _inflation(rest: Array, parameters: int) -> float:
    """How much more a mean of such noise varies than one of independent values: (1 + r) / (1 - r) of an AR(1).

    r is the lag-1 correlation, corrected for the fitted parameters and taken one standard error low.
    """
    n = len(rest)
    power = float(rest @ rest)
    r = float(rest[1:] @ rest[:-1]) / power if power > 0 else 0.0
    r = min(max(r + parameters / n - 1 / math.sqrt(n), 0.0), 0.8)
    return (1 + r) / (1 - r)
