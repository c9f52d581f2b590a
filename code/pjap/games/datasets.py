"""Datasets of joint actions for polynomial games, each from a seed.

A dataset is an array ``(m, n)``: a row for each recorded joint action, a column for each player.
There are no rewards in it, because in these games the reward is known everywhere; what BRUD and PJAP take from
the data is *what the other players were doing*. Introduced in chapter 3, varied in chapters 4 to 7.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from pjap.games import _checks
from pjap.games._checks import Floats

__all__ = [
    "anti_coordinated_pairs",
    "coordinated_pairs",
    "gaussian",
    "mixture",
    "points",
    "replay",
    "uniform",
]


def points(joint_actions: ArrayLike) -> Floats:
    """A dataset of the joint actions given, checked.

    Args:
        joint_actions: ``(m, n)``, m at least 1, n at least 2.

    Returns:
        ``(m, n)``.

    Raises:
        ValueError: If the shape is another one, or an entry is NaN or infinite.

    Example:
        >>> points([[0.8, -0.4]]).shape
        (1, 2)
    """
    array = _checks.finite("joint_actions", joint_actions)
    if array.ndim != 2 or array.shape[0] == 0 or array.shape[1] < 2:
        raise ValueError(
            f"joint_actions has shape {array.shape}, expected (m, n): at least one row, a column for each of at least "
            "two players."
        )
    return array.copy()


def gaussian(mean: ArrayLike, covariance: ArrayLike, size: int, *, seed: int) -> Floats:
    """Joint actions from a Gaussian, not clipped to the box (as in the paper's twin-peaks experiment, chapter 7).

    Args:
        mean: ``(n,)``.
        covariance: ``(n, n)``, symmetric and positive semi-definite; or a number: the variance of each action,
            independent of the others.
        size: ``m``, at least 1.
        seed: Of the random generator.

    Returns:
        ``(m, n)``.

    Raises:
        ValueError: If the shapes do not match or the matrix is no covariance.

    Example:
        >>> gaussian([0.6, 0.6], 0.04, size=500, seed=0).mean(axis=0).round(1).tolist()
        [0.6, 0.6]
    """
    mean = _checks.finite("mean", mean)
    covariance = _checks.finite("covariance", covariance)
    _checks.whole("size", size, 1)
    if mean.ndim != 1 or mean.size < 2:
        raise ValueError(f"mean has shape {mean.shape}, expected (n,) with n of at least 2.")
    if covariance.ndim == 0:
        covariance = float(covariance) * np.eye(mean.size)
    if covariance.shape != (mean.size, mean.size):
        raise ValueError(f"covariance has shape {covariance.shape}, expected ({mean.size}, {mean.size}) or a number.")
    if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance).min() < -1e-9:
        raise ValueError("covariance is not a covariance: expected a symmetric matrix without negative eigenvalues.")
    return np.random.default_rng(seed).multivariate_normal(mean, covariance, size, method="eigh")


def uniform(players: int, size: int, *, seed: int) -> Floats:
    """Joint actions uniform on the box ``[-1, 1]^n``.

    Args:
        players: ``n``, at least 2.
        size: ``m``, at least 1.
        seed: Of the random generator.

    Returns:
        ``(m, n)``.

    Raises:
        ValueError: If ``players`` or ``size`` is too small.

    Example:
        >>> uniform(players=2, size=3, seed=0).shape
        (3, 2)
    """
    _checks.whole("players", players, 2)
    _checks.whole("size", size, 1)
    return np.random.default_rng(seed).uniform(-1, 1, (size, players))


def coordinated_pairs(scale: float = 0.8) -> Floats:
    """Two joint actions in which the players agree: ``(s, s)`` and ``(-s, -s)`` (chapter 3).

    Args:
        scale: ``s``, in (0, 1].

    Returns:
        ``(2, 2)``.

    Raises:
        ValueError: If ``scale`` is outside its range.

    Example:
        >>> coordinated_pairs().tolist()
        [[0.8, 0.8], [-0.8, -0.8]]
    """
    return _pairs(scale, sign=1.0)


def anti_coordinated_pairs(scale: float = 0.8) -> Floats:
    """Two joint actions in which the players disagree: ``(s, -s)`` and ``(-s, s)`` (chapter 3).

    Each player's own actions are those of `coordinated_pairs`: the marginals are equal, the joint is opposite.

    Args:
        scale: ``s``, in (0, 1].

    Returns:
        ``(2, 2)``.

    Raises:
        ValueError: If ``scale`` is outside its range.

    Example:
        >>> anti_coordinated_pairs().tolist()
        [[0.8, -0.8], [-0.8, 0.8]]
    """
    return _pairs(scale, sign=-1.0)


def _pairs(scale: float, sign: float) -> Floats:
    if not 0 < scale <= 1:
        raise ValueError(f"scale is {scale}, expected a number in (0, 1]: actions live in [-1, 1].")
    return np.array([[scale, sign * scale], [-scale, -sign * scale]])


def mixture(
    datasets: Sequence[ArrayLike], size: int, *, seed: int, proportions: Sequence[float] | None = None
) -> Floats:
    """Rows drawn with replacement from several datasets, as when teams' recordings are pooled (chapter 5).

    Args:
        datasets: Arrays ``(m_i, n)`` for the same n.
        size: ``m``, at least 1.
        seed: Of the random generator.
        proportions: The probability of each dataset, summing to 1; equal ones when left out.

    Returns:
        ``(m, n)``.

    Raises:
        ValueError: If there is no dataset, their players differ, or ``proportions`` are no probabilities for them.

    Example:
        >>> mixture([[[1.0, 1.0]], [[-1.0, -1.0]]], size=4, seed=0, proportions=[1, 0]).tolist()
        [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
    """
    _checks.whole("size", size, 1)
    parts = [points(dataset) for dataset in datasets]
    if len({part.shape[1] for part in parts}) != 1:
        raise ValueError(
            f"datasets have shapes {[part.shape for part in parts]}, expected at least one, all with as many players."
        )
    shares = np.full(len(parts), 1 / len(parts)) if proportions is None else np.asarray(proportions, dtype=float)
    if shares.shape != (len(parts),) or shares.min() < 0 or not np.isclose(shares.sum(), 1):
        raise ValueError(f"proportions are {proportions}, expected {len(parts)} non-negative numbers that sum to 1.")
    generator = np.random.default_rng(seed)
    source = generator.choice(len(parts), size=size, p=shares / shares.sum())  # NumPy is stricter than we are
    return np.stack([parts[i][generator.integers(len(parts[i]))] for i in source])


def replay(policies: ArrayLike, noise: float, size: int, *, seed: int) -> Floats:
    """What a replay buffer holds after behaviour policies have acted with exploration noise (chapter 4).

    Each row is one of the policies, chosen at random, plus Gaussian noise, clipped to the box.

    Args:
        policies: ``(k, n)``: for example, the trajectory of a team that learnt online.
        noise: Standard deviation, at least 0.
        size: ``m``, at least 1.
        seed: Of the random generator.

    Returns:
        ``(m, n)``, inside ``[-1, 1]``.

    Raises:
        ValueError: If the shape is another one or ``noise`` is negative.

    Example:
        >>> replay([[0.5, 0.5]], noise=0.0, size=2, seed=0).tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    _checks.at_least("noise", noise, 0.0)
    _checks.whole("size", size, 1)
    behaviour = points(policies)
    generator = np.random.default_rng(seed)
    acted = behaviour[generator.integers(len(behaviour), size=size)]
    return np.clip(acted + noise * generator.standard_normal(acted.shape), -1, 1)
