"""Where in a line of commits a step lies: a posterior from noisy launches, and the launches to make next.

The model: the logarithm of a launch's reading is the machine's mood, plus the step's size from the commit of the step
on, plus noise, and some launches are outliers. The mood walks from launch to launch. Where the step lies, how large it
is, the noise, its outliers and the pace of the walk are unknown and weighed together: for each of their combinations a
Kalman filter carries mood and size (West and Harrison 1997, chapters 4 and 12: a mixture is collapsed to its moments),
and how well it predicts weighs the hypothesis. A launch is worth what it is expected to tell about the position
(Lindley 1956), for its cost.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import entr, ndtr

Array = NDArray[np.float64]

# Standard deviations of the logarithm of a launch: from a quiet core's best to a crowded machine's worst.
NOISES = np.geomspace(0.001, 0.25, 16)
# Variance of the mood's step from launch to launch over the noise's: from a still machine to one where only
# neighbouring launches compare.
PACES = np.array([0.0, 0.01, 0.1, 1.0])
# Standard deviations of the step's logarithm: a small one and a large one are equally likely beforehand.
SIZES = np.array([0.05, 0.5])
# Outliers are a tail (one launch in ten, eight times as far off), or what a machine shared with others gives (four in
# ten, up to twice as slow): a neighbour on the same core, measured to slow 35 % of the launches by 55 %.
OUTLIERS = np.array([0.1, 0.4])
TAIL, NEIGHBOUR = 8.0, 0.5
# The mood jumps with this probability at each launch, by as much: a clock or a neighbour's load that changes for long.
JUMPS, JUMP = 0.03, 0.5
# What the mood may be before the first launch and after an interruption: a standard deviation of e.
ANY_MOOD = 1.0
# Both ends, this many times, before anything else: fewer tell nothing about the noise.
ROUNDS_OF_ENDS = 3
# Simulated (`evaluate bisect`), this is right in 98 to 100 of 100 searches: the model is not the machine.
CERTAINTY = 0.99
# Before anything is measured; a step up and one down are equally likely.
NO_STEP = 0.2
# Below this a change is not worth the search: it needs four times the launches that twice the change does.
EFFECT = 0.02
# The ends are verified until "no step" is less likely than this.
DOUBT = 0.05
# The good end is launched again where the mood is less certain than this share of a launch's variance, and at the
# latest after so many launches. Simulated: a half needs 10 to 20 % fewer launches than a good end beside each probe.
MOOD_SHARE, LAUNCHES_ALONE = 0.5, 4
# How many launches of one commit a build may be divided among.
AHEAD = (1, 4)
# Axes of what is unknown besides the position: noise, pace, size, outliers.
NUISANCES = (1, 2, 3, 4)
# Points of a reading's density, at most: three to a deviation where all that is likely lies close together.
READINGS = 500


@dataclass(frozen=True)
class Effect:
    """Relative change from the good end to the bad one (0.05 is 5 % slower), with the bounds that hold it at 95 %."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Suspects:
    """The step lies at one of the positions `first` … `last`, with this probability."""

    first: int
    last: int
    probability: float

    def __len__(self) -> int:
        return self.last - self.first + 1


class Belief:
    """What launches have told about a step at one of the positions 1 … `count`; position 0 is the good end.

    `faster` looks for a step down; a step of less than `effect` (0.02 is 2 %) counts as none.
    """

    def __init__(self, count: int, faster: bool = False, effect: float = EFFECT):
        self.count, self.sign, self.least, self.launches = count, -1 if faster else 1, float(np.log1p(effect)), 0
        # The last place on axis 0 stands for no step.
        shape = (count + 1, len(NOISES), len(PACES), len(SIZES), len(OUTLIERS))
        self._step = np.arange(1, count + 2).reshape(-1, 1, 1, 1, 1)
        self._noise = NOISES.reshape(1, -1, 1, 1, 1) ** 2
        self._pace = self._noise * PACES.reshape(1, 1, -1, 1, 1)
        self._outlier = np.maximum(self._noise * TAIL**2, [0.0, NEIGHBOUR**2])
        prior = np.append(np.full(count, (1 - NO_STEP) / count), NO_STEP) / np.prod(shape[1:])
        self._log_weight: Array = np.log(np.broadcast_to(prior.reshape(-1, 1, 1, 1, 1), shape).copy())
        self._mood, self._size, self._covariance = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._mood_variance = np.full(shape, ANY_MOOD)
        self._size_variance: Array = np.broadcast_to(SIZES[:, None] ** 2, shape).copy()
        self._weigh()

    def interrupted(self) -> None:
        """Forget the mood: time has passed since the last launch."""
        self._mood_variance += ANY_MOOD

    def observe(self, position: int, seconds: float) -> None:
        """Learn that a launch of the commit at `position` read `seconds`."""
        value = np.log(seconds)
        if not self.launches:
            self._mood += value
        self.launches += 1
        stepped = (position >= self._step).astype(float)
        self._mood_variance += self._pace
        to_mood = self._mood_variance + stepped * self._covariance
        to_size = self._covariance + stepped * self._size_variance
        error = value - self._mood - stepped * self._size
        spread = to_mood + stepped * to_size
        # Three Kalman updates, for a usual launch, for an outlier and after a jump, weighed and collapsed into one.
        usual = (np.log(1 - JUMPS - OUTLIERS), 0.0, spread + self._noise)
        outlier = (np.log(OUTLIERS), 0.0, spread + self._outlier)
        jump = (np.log(JUMPS), JUMP**2, spread + self._noise + JUMP**2)
        logs = [log - (error**2 / variance + np.log(variance)) / 2 for log, _, variance in (usual, outlier, jump)]
        likelihood = np.logaddexp(np.logaddexp(logs[0], logs[1]), logs[2])
        mood, size = np.zeros_like(error), np.zeros_like(error)
        mood_variance, covariance, size_variance = (np.zeros_like(error) for _ in range(3))
        for log, (_, jumped, variance) in zip(logs, (usual, outlier, jump), strict=True):
            share = np.exp(log - likelihood)
            gain, shrink = share * error / variance, share * (error**2 / variance - 1) / variance
            mood += gain * (to_mood + jumped)
            size += gain * to_size
            mood_variance += share * jumped + shrink * (to_mood + jumped) ** 2
            covariance += shrink * (to_mood + jumped) * to_size
            size_variance += shrink * to_size**2
        self._mood += mood
        self._size += size
        self._mood_variance += mood_variance - mood**2
        self._covariance += covariance - mood * size
        self._size_variance += size_variance - size**2
        self._log_weight += likelihood
        self._weigh()

    def _weigh(self) -> None:
        """Turn log weights into probabilities of the hypotheses, and of their steps being such as is looked for."""
        self._log_weight -= self._log_weight.max()
        shares = np.exp(self._log_weight - self._log_weight.max(axis=NUISANCES, keepdims=True))
        # Of each position by itself, where the position's own weight may be too small for a number.
        self._shares = shares / shares.sum(axis=NUISANCES, keepdims=True)
        self._weight = np.exp(self._log_weight)
        self._weight /= self._weight.sum()
        self._right = self._weight * ndtr((self.sign * self._size - self.least) / np.sqrt(self._size_variance))

    def posterior(self) -> Array:
        """Probabilities of a step at 1 … `count`, and at last of none such: none, a small one, one the other way."""
        found = self._right[:-1].sum(axis=NUISANCES)
        return np.append(found, max(0.0, 1 - found.sum()))

    def noise(self) -> tuple[float, float]:
        """Variances of a launch's logarithm and of the mood's, as expected at the next launch."""
        mood = np.minimum(self._mood_variance + self._pace, ANY_MOOD)
        return float((self._weight * self._noise).sum()), float((self._weight * mood).sum())

    def telling(self, launches: float) -> Array:
        """What the mean of so many launches at each of the positions 0 … `count` should tell about the step's, in nats.

        The mutual information of position and reading, each position's prediction taken as normal.
        """
        weights = np.append(self._right[:-1].sum(axis=NUISANCES), 0.0)
        weights[-1] = max(0.0, 1 - weights.sum())
        before, after = self._predictions(0.0, launches), self._predictions(1.0, launches)
        # Where a position has no weight to speak of, its prediction must not stretch the grid.
        kept = weights > 1e-4
        means, deviations = (np.array([before[i][kept], after[i][kept]]) for i in (0, 1))
        low, high = (means - 5 * deviations).min(), (means + 5 * deviations).max()
        count = min(int(3 * (high - low) / deviations.min()) + 8, READINGS)
        readings = np.linspace(low, high, count)
        unseen, seen = (
            weights[:, None] * np.exp(-(((readings - mean) / deviation) ** 2) / 2) / deviation
            for mean, deviation in ((each[0][:, None], each[1][:, None]) for each in (before, after))
        )
        # At position i the step is seen where it is at 1 … i.
        mixture = np.cumsum(np.vstack([unseen.sum(axis=0), (seen - unseen)[:-1]]), axis=0).clip(0)
        spread = weights * np.log(before[1]), weights * np.log(after[1])
        known = np.cumsum(np.append(spread[0].sum(), (spread[1] - spread[0])[:-1]))
        step = (readings[1] - readings[0]) / np.sqrt(2 * np.pi)
        # Entropies of normals differ by the logarithm of their deviation; 1/2 + log(2 pi)/2 is common to all.
        return np.maximum(step * entr(mixture).sum(axis=1) - known - 0.5, 0.0)

    def _predictions(self, stepped: float, launches: float) -> tuple[Array, Array]:
        """Mean and deviation of the next reading's logarithm, given the step's position and whether it is seen."""
        mean = self._mood + stepped * self._size
        middle = (self._shares * mean).sum(axis=NUISANCES, keepdims=True)
        variance = self._noise / launches + self._mood_variance + self._pace
        variance = variance + stepped * (2 * self._covariance + self._size_variance) + (mean - middle) ** 2
        return middle.ravel(), np.sqrt((self._shares * variance).sum(axis=NUISANCES))

    def effect(self) -> Effect:
        """How much slower (or, below 0, faster) the bad end is, in whichever direction."""
        weights = np.exp(self._log_weight[:-1] - self._log_weight[:-1].max()).ravel()
        kept = weights > 1e-9
        mean, deviation = self._size[:-1].ravel()[kept], np.sqrt(self._size_variance[:-1].ravel()[kept])
        weights = weights[kept] / weights[kept].sum()
        below, above = (mean - 9 * deviation).min(), (mean + 9 * deviation).max()

        def quantile(q: float) -> float:
            at = brentq(lambda x: float(weights @ ndtr((x - mean) / deviation)) - q, below, above)
            return float(np.expm1(at))

        return Effect(quantile(0.5), quantile(0.025), quantile(0.975))


class Search:
    """Chooses launches until the step's commit is known with `certainty`, or to `within` neighbouring commits.

    Positions in `broken` can't be measured: commits that only these part are told as one interval. `build_cost` is in
    launches.
    """

    def __init__(
        self, count: int, faster: bool = False, certainty: float = CERTAINTY, within: int = 1, effect: float = EFFECT
    ):
        self.belief = Belief(count, faster, effect)
        self.certainty, self.within = certainty, within
        self.broken: set[int] = set()
        self.built = {0, count}
        self.build_cost = 1.0
        self.alone = 0

    def observe(self, position: int, seconds: float) -> None:
        """Learn what a launch read."""
        self.belief.observe(position, seconds)
        self.built.add(position)
        self.alone = 0 if position == 0 else self.alone + 1

    def nowhere(self) -> float:
        """Probability that there is no step such as is looked for."""
        return float(self.belief.posterior()[-1])

    def suspects(self) -> Suspects:
        """The commit of the step if it reaches the certainty, else the shortest interval that does.

        Where no interval reaches it (there may be no step), the whole range.
        """
        lasts = np.array(self._askable())
        firsts = np.append(1, lasts[:-1] + 1)
        total = np.append(0.0, np.cumsum(self.belief.posterior()[:-1]))
        held = total[lasts] - total[firsts - 1][:, None]
        sure = np.argwhere((held >= self.certainty) & (lasts >= firsts[:, None]))
        if not len(sure):
            return Suspects(1, self.belief.count, float(total[-1]))
        # The fewest that launches could tell apart, then the likeliest: broken commits in between can't be helped.
        i, j = min(sure, key=lambda at: (at[1] - at[0], -held[tuple(at)]))
        return Suspects(int(firsts[i]), int(lasts[j]), float(held[i, j]))

    def found(self) -> bool:
        """Whether the suspects are as few as was asked for, or can't be told apart."""
        suspects = self.suspects()
        told_apart = [last for last in self._askable() if suspects.first <= last < suspects.last]
        return suspects.probability >= self.certainty and (len(suspects) <= self.within or not told_apart)

    def verified(self) -> bool:
        """Whether the ends differ, in the direction that is looked for, beyond doubt."""
        return self.belief.launches >= 2 * ROUNDS_OF_ENDS and self.nowhere() < DOUBT

    def refuted(self) -> bool:
        """Whether it is certain, twice over since nothing else can contradict it, that the ends do not differ so."""
        return self.belief.launches >= 2 * ROUNDS_OF_ENDS and 1 - self.nowhere() <= (1 - self.certainty) / 2

    def next(self) -> tuple[int, ...]:
        """Positions to launch now: the good end with one that is to be compared with it, or that one alone."""
        position = int(np.argmax(self._rates())) if self.verified() else self.belief.count
        noise, mood = self.belief.noise()
        if position == 0 or (self.belief.launches and mood <= MOOD_SHARE * noise and self.alone < LAUNCHES_ALONE):
            return (position,)
        pair = np.random.default_rng(self.belief.launches).permutation([0, position])
        return tuple(map(int, pair))

    def launches_left(self) -> float:
        """About how many launches are still needed: what is not known yet over what a launch tells."""
        if self.found():
            return 0.0
        unknown = float(entr(self.belief.posterior()).sum() - entr([self.certainty, 1 - self.certainty]).sum())
        return max(unknown, 0.1) / max(float(self._rates().max()), 1e-6)

    def _askable(self) -> list[int]:
        return [position for position in range(1, self.belief.count + 1) if position not in self.broken]

    def _rates(self) -> Array:
        """What a launch at 0 … count is expected to tell, in nats, over its cost with its share of a build."""
        unbuilt = np.array([position not in self.built for position in range(self.belief.count + 1)])
        rates = np.max([self.belief.telling(n) / (n + self.build_cost * unbuilt) for n in AHEAD], axis=0)
        rates[list(self.broken)] = -1.0
        return rates
