"""Aggregates of scores over seeds and datasets, each with its interval, after Agarwal et al. (2021, arXiv 2108.13264).

Scores are arrays of shape (runs, tasks): a row for each seed, a column for each dataset. Intervals are 95% percentile
intervals of a bootstrap that resamples runs within each task; that of a paired difference is Student's. A bootstrap of
few runs is too short, and where no run of one side beats one of the other it has no width. The paper's own library,
rliable, takes a random state but draws from NumPy's global generator, so that its intervals cannot be repeated; hence
the few lines here. Used in chapters 8 and 10.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import sem, t, trim_mean

Floats = NDArray[np.float64]

AGGREGATES: dict[str, Callable[[Floats], Floats]] = {
    "median": lambda scores: np.median(scores.mean(axis=-2), axis=-1),
    "IQM": lambda scores: trim_mean(scores.reshape(*scores.shape[:-2], -1), 0.25, axis=-1),
    "mean": lambda scores: scores.mean(axis=(-2, -1)),
}
"""Each takes (..., runs, tasks) to (...): the median over tasks of the mean over runs; the mean of the middle half."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval.

    Attributes:
        point: of the scores as they are.
        low: end of the interval.
        high: its other end.

    Example:
        >>> str(Estimate(0.5, 0.25, 0.75))
        '0.50 [0.25, 0.75]'
    """

    point: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.point:.2f} [{self.low:.2f}, {self.high:.2f}]"


def aggregate(scores: ArrayLike, *, resamples: int = 2000, seed: int = 0) -> dict[str, Estimate]:
    """Median, interquartile mean and mean over runs and tasks.

    Args:
        scores: (runs, tasks), or (runs,) for one task.
        resamples: of the bootstrap, at least 1.
        seed: of the bootstrap.

    Returns:
        An estimate for each name in `AGGREGATES`.

    Raises:
        ValueError: if there are fewer than two runs, or a score is NaN or infinite.

    Example:
        >>> print(aggregate([1.0, 1.0, 1.0])["IQM"])
        1.00 [1.00, 1.00]
    """
    matrix = _as_scores("scores", scores)
    drawn = _resample(matrix, resamples, np.random.default_rng(seed))
    return {name: _estimate(function(matrix), function(drawn)) for name, function in AGGREGATES.items()}


def probability_of_improvement(
    scores: ArrayLike, baseline: ArrayLike, *, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """How likely a random run with the method beats a random run without it, averaged over tasks.

    Args:
        scores: (runs, tasks) or (runs,) of the method.
        baseline: (other runs, tasks) or (other runs,).
        resamples: of the bootstrap, at least 1.
        seed: of the bootstrap.

    Returns:
        In [0, 1]; 1/2 where neither wins more often.

    Raises:
        ValueError: if there are fewer than two runs, the tasks differ, or a score is NaN or infinite.

    Example:
        >>> print(probability_of_improvement([2.0, 3.0], [0.0, 1.0]))
        1.00 [1.00, 1.00]
    """
    pair = (_as_scores("scores", scores), _as_scores("baseline", baseline))
    if pair[0].shape[1] != pair[1].shape[1]:
        raise ValueError(f"scores have {pair[0].shape[1]} tasks and baseline {pair[1].shape[1]}, expected as many")
    generator = np.random.default_rng(seed)
    drawn = [_resample(matrix, resamples, generator) for matrix in pair]
    return _estimate(_share_of_wins(*pair), _share_of_wins(*drawn))


def paired_difference(scores: Mapping[int, float], baseline: Mapping[int, float]) -> Estimate:
    """Mean difference between runs of the same seed: method less baseline.

    The interval is Student's, of the differences' mean. A bootstrap of few differences is too short: of ten it has
    about four fifths of this width, and of three it ends at the smallest and the largest of them.

    Args:
        scores: for each seed, the method's score.
        baseline: for each seed, the baseline's.

    Returns:
        The mean difference over the seeds that both have.

    Raises:
        ValueError: if they share fewer than two seeds, or a score is NaN or infinite.

    Example:
        >>> print(paired_difference({0: 3.0, 1: 4.0, 2: 5.0}, {0: 1.0, 1: 2.0, 2: 2.0}))
        2.33 [0.90, 3.77]
    """
    shared = sorted(set(scores) & set(baseline))
    differences = _as_scores("differences", [scores[each] - baseline[each] for each in shared])[:, 0]
    mean, error = differences.mean(), sem(differences)
    half = t.ppf(0.975, len(differences) - 1) * error
    return Estimate(float(mean), float(mean - half), float(mean + half))


def _resample(matrix: Floats, resamples: int, generator: np.random.Generator) -> Floats:
    """Runs drawn anew within each task: (runs, tasks) -> (resamples, runs, tasks)."""
    rows = generator.integers(len(matrix), size=(resamples, *matrix.shape))
    return np.take_along_axis(matrix[None], rows, axis=1)


def _share_of_wins(scores: Floats, baseline: Floats) -> Floats:
    """Share of pairs of runs that the first wins, ties half, mean over tasks: two (..., runs, tasks) -> (...)."""
    difference = scores[..., :, None, :] - baseline[..., None, :, :]
    return np.asarray((np.sign(difference) / 2 + 0.5).mean(axis=(-3, -2, -1)))


def _estimate(point: Floats, drawn: Floats) -> Estimate:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(float(point), float(low), float(high))


def _as_scores(name: str, scores: ArrayLike) -> Floats:
    matrix = np.asarray(scores, dtype=float)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or matrix.shape[0] < 2:
        raise ValueError(f"{name} has shape {np.shape(scores)}, expected (runs, tasks) with at least two runs")
    if not np.all(np.isfinite(matrix)):
        raise ValueError(f"{name} holds NaN or infinity: leave failed runs out, and say so")
    return matrix
