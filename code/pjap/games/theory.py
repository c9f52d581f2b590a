"""Closed forms: what learning from a fixed dataset will do, known before any learning is run.

Bias and destination of BRUD (chapters 3 and 5); for PJAP the exact Gaussian case, the derivative of its update,
and the steepness at which a miscoordinated point stops attracting the team (chapter 6).
Except for the definition of BRUD, these results are the book's own.
"""

import numpy as np
from numpy.typing import ArrayLike

from pjap.games import _checks
from pjap.games._checks import Floats
from pjap.games.polynomial import PolynomialGame, differentiate, evaluate
from pjap.games.updates import brud_gradient, proximal_probabilities
from pjap.priorities import joint_action_distance

__all__ = [
    "averaged_polynomial",
    "bias",
    "brud_destination",
    "critical_steepness",
    "gaussian_shrinkage",
    "leading_eigenvalue",
    "pjap_jacobian",
    "shrinkage_factor",
]


def bias(game: PolynomialGame, policy: ArrayLike, dataset: ArrayLike) -> Floats:
    """How far BRUD's update is from the true gradient: ``b(mu) - g(mu)`` (chapter 5, prop-bias).

    For two players its first entry is ``sum_kl k c_kl x^(k-1) (E[a_y^l] - y^l)``: nothing without interaction,
    and linear in the interaction coefficients.

    Args:
        game: Of n players.
        policy: ``(..., n)``.
        dataset: ``(m, n)``.

    Returns:
        ``(..., n)``.

    Raises:
        ValueError: If a shape is another one, the dataset is empty, or an entry is not finite.

    Example:
        >>> from pjap.games import sign_agreement
        >>> bias(sign_agreement(), [0.5, 0.5], [[0.5, -0.5]]).tolist()
        [-1.0, 0.0]
    """
    return brud_gradient(game, policy, dataset) - game.gradient(policy)


def averaged_polynomial(game: PolynomialGame, player: int, dataset: ArrayLike) -> Floats:
    """What player i climbs under BRUD: ``F_i(mu_i) = E_(a ~ B)[R(mu_i, a_-i)]``, a polynomial.

    Derived in chapter 3, eq-averaged-polynomial.

    Args:
        game: Of n players.
        player: ``i``, from 0.
        dataset: ``(m, n)``.

    Returns:
        ``(K_i,)``: its coefficients, lowest power first.

    Raises:
        ValueError: If there is no such player, a shape is another one, or an entry is not finite.

    Example:
        >>> from pjap.games import twin_peaks
        >>> averaged_polynomial(twin_peaks(), 0, [[0.0, 0.5], [0.0, -0.5]]).tolist()
        [-0.25, 0.0, -2.0]
    """
    return np.asarray(_own_polynomials(game, player, dataset).mean(axis=0))


def _own_polynomials(game: PolynomialGame, player: int, dataset: ArrayLike) -> Floats:
    """What the player would climb against each row alone: (m, n) -> (m, K_i)."""
    dataset = _checks.dataset(dataset, game.players)
    if dataset.ndim != 2:
        raise ValueError(f"dataset has shape {dataset.shape}, expected (m, {game.players}): one dataset.")
    return game.own_polynomial(player, dataset)


def brud_destination(game: PolynomialGame, dataset: ArrayLike, start: ArrayLike) -> Floats:
    """Where BRUD's gradient flow takes a joint policy, exactly and before any learning (chapter 5, prop-destination).

    Each player climbs its own averaged polynomial, whatever the others do, to the first point uphill from its start
    at which its slope is zero, or to the edge of ``[-1, 1]``. For twin peaks: ``x* = 5 E[a_y] / (2 + 8 E[a_y^2])``.

    Args:
        game: Of n players.
        dataset: ``(m, n)``.
        start: ``(..., n)``, inside ``[-1, 1]``.

    Returns:
        ``(..., n)``.

    Raises:
        ValueError: If a shape is another one, the dataset is empty, an entry is not finite, or a start is outside.

    Example:
        >>> from pjap.games import sign_agreement
        >>> brud_destination(sign_agreement(), [[0.8, -0.4]], [0.5, 0.5]).tolist()  # the worst corner
        [-1.0, 1.0]
    """
    start = _checks.joint_actions("start", start, game.players)
    if np.any(np.abs(start) > 1):
        raise ValueError(f"start reaches {np.abs(start).max():g}, expected actions in [-1, 1].")
    destination = np.empty(start.shape)
    for player in range(game.players):
        own = _own_polynomials(game, player, dataset)
        slope, size = differentiate(own.mean(axis=0)), differentiate(np.abs(own).mean(axis=0))
        destination[..., player] = _climb(slope, size, start[..., player])
    return destination


def _climb(slope: Floats, size: Floats, start: Floats) -> Floats:
    """The limit of ``mu' = slope(mu)`` on [-1, 1] from each start: (K,), (K,), (...) -> (...).

    The size is the slope's, with what cancelled in its coefficients counted too: rounding errors are relative to that.
    """
    rate = evaluate(slope, start)
    # What rounding makes of a slope of 0 is no direction: a start at a root rests there.
    direction = np.where(np.abs(rate) > 1e-12 * evaluate(size, np.abs(start)), np.sign(rate), 0.0)
    if not slope.any():
        return start.copy()
    stops = np.roots(np.trim_zeros(slope[::-1], "f"))
    # A multiple root is found only to a root of the rounding error, as complex pairs as often as not: it is a stop if
    # the slope at its real part is what rounding makes of 0.
    real = stops.real.astype(np.float64)
    still = np.abs(evaluate(slope, real)) <= 1e-12 * evaluate(size, np.abs(real))
    stops = np.sort(real[(np.abs(stops.imag) < 1e-6) | still])
    # A root counts as a stop also where the slope does not change sign: the flow does not pass a point at rest.
    ceiling = np.append(stops[np.abs(stops) < 1], 1.0)
    floor = np.append(-1.0, stops[np.abs(stops) < 1])
    above = ceiling[np.searchsorted(ceiling, start, side="left").clip(max=len(ceiling) - 1)]
    below = floor[(np.searchsorted(floor, start, side="right") - 1).clip(min=0)]
    return np.where(direction > 0, above, np.where(direction < 0, below, start))


def gaussian_shrinkage(mean: ArrayLike, covariance: ArrayLike, bandwidth: float, policy: ArrayLike) -> Floats:
    """The mean joint action that a Gaussian kernel around the policy draws from Gaussian data.

    Derived in chapter 6, prop-gaussian.

    For data ``N(m, S)`` and kernel ``exp(-|a - mu|^2 / (2 h^2))`` it is
    ``(S^-1 + h^-2 I)^-1 (S^-1 m + h^-2 mu)``; in sign agreement the update is that mean with its entries exchanged.

    Args:
        mean: ``m``, ``(n,)``.
        covariance: ``S``, ``(n, n)``, symmetric and positive definite.
        bandwidth: ``h``, finite, above 0.
        policy: ``mu``, ``(..., n)``.

    Returns:
        ``(..., n)``.

    Raises:
        ValueError: If a shape is another one, ``bandwidth`` is outside its range, or ``covariance`` is not symmetric
            and positive definite.

    Example:
        >>> gaussian_shrinkage([0, 0], [[1, 0], [0, 1]], bandwidth=1.0, policy=[0.5, -0.5]).tolist()
        [0.25, -0.25]
    """
    mean = _checks.finite("mean", mean)
    covariance = _checks.finite("covariance", covariance)
    policy = _checks.joint_actions("policy", policy, mean.size)
    _checks.above_zero("bandwidth", bandwidth)
    if mean.ndim != 1:
        raise ValueError(f"mean has shape {mean.shape}, expected (n,).")
    if covariance.shape != (mean.size, mean.size):
        raise ValueError(f"covariance has shape {covariance.shape}, expected ({mean.size}, {mean.size}).")
    if not np.allclose(covariance, covariance.T):
        raise ValueError("covariance is not symmetric: entry (i, j) must equal entry (j, i).")
    if np.linalg.eigvalsh(covariance).min() <= 0:
        raise ValueError("covariance has an eigenvalue of 0 or below, expected a positive definite matrix.")
    # (S^-1 + h^-2 I)^-1 (S^-1 m + h^-2 mu) = m + S (S + h^2 I)^-1 (mu - m), with one inverse fewer.
    gain = covariance @ np.linalg.inv(covariance + bandwidth**2 * np.eye(mean.size))
    return mean + (policy - mean) @ gain.T


def shrinkage_factor(standard_deviation: float, bandwidth: float) -> float:
    """The share of the true gradient in PJAP's update when the data's actions are independent.

    Derived in chapter 6, eq-kappa.

    ``kappa = s^2 / (s^2 + h^2)``: in sign agreement with data ``N(m, s^2 I)`` the update is
    ``kappa * (true gradient) + (1 - kappa) * BRUD``.

    Args:
        standard_deviation: ``s``, at least 0.
        bandwidth: ``h``, finite, above 0.

    Returns:
        ``kappa``, in [0, 1).

    Raises:
        ValueError: If an argument is outside its range.

    Example:
        >>> shrinkage_factor(standard_deviation=1.0, bandwidth=0.5)
        0.8
    """
    _checks.at_least("standard_deviation", standard_deviation, 0.0)
    _checks.above_zero("bandwidth", bandwidth)
    return float(standard_deviation**2 / (standard_deviation**2 + bandwidth**2))


def pjap_jacobian(
    game: PolynomialGame,
    policy: ArrayLike,
    dataset: ArrayLike,
    *,
    steepness: float = 4.0,
    exponent: float = 1.0,
    floor: float = 1e-4,
) -> Floats:
    """The derivative of PJAP's update with respect to the joint policy (chapter 6, prop-critical).

    ``J_ij = E_P[d_i d_i R(mu_i, a_-i)] (i = j) + Cov_P(d_i R(mu_i, a_-i), d log rho^p / d mu_j)``.
    The first part is all that BRUD has; the second, the kernel's, is what recouples the players.

    Args:
        game: Of n players.
        policy: ``(n,)``, no action of it equal to a recorded one (the distance has a kink there).
        dataset: ``(m, n)``.
        steepness: At least 0.
        exponent: At least 0.
        floor: In (0, 1].

    Returns:
        ``(n, n)``: row i is the derivative of player i's update.

    Raises:
        ValueError: If a shape is another one, the dataset is empty, an entry is not finite, or a setting is outside
            its range.

    Example:
        >>> from pjap.games import datasets, sign_agreement
        >>> data = datasets.uniform(2, 2000, seed=0)
        >>> jacobian = pjap_jacobian(sign_agreement(), [0.0, 0.0], data, steepness=0.0)
        >>> bool(np.allclose(jacobian, 0))  # BRUD's drift does not depend on the policy
        True
    """
    dataset = _checks.dataset(dataset, game.players)
    policy = _checks.joint_actions("policy", policy, game.players)
    if policy.ndim != 1:
        raise ValueError(f"policy has shape {policy.shape}, expected ({game.players},): one joint policy.")
    probabilities = proximal_probabilities(policy, dataset, steepness=steepness, exponent=exponent, floor=floor)
    distances = joint_action_distance(dataset, policy)
    # d log rho / d mu_j = -2 alpha^2 d * dd/dmu_j, with dd/dmu_j = -sign(a_j - mu_j) / n, where not at the floor.
    above_floor = np.exp(-((steepness * distances) ** 2)) > floor
    log_slope = (
        (2 * exponent * steepness**2 / game.players) * (distances * above_floor)[:, None] * np.sign(dataset - policy)
    )
    log_slope -= probabilities @ log_slope

    jacobian = np.empty((game.players, game.players))
    for player in range(game.players):
        slope = differentiate(game.own_polynomial(player, dataset))
        own_action = np.full(len(dataset), policy[player])
        jacobian[player] = (probabilities * evaluate(slope, own_action)) @ log_slope
        jacobian[player, player] += probabilities @ evaluate(differentiate(slope), own_action)
    return jacobian


def leading_eigenvalue(
    game: PolynomialGame,
    policy: ArrayLike,
    dataset: ArrayLike,
    *,
    steepness: float = 4.0,
    exponent: float = 1.0,
    floor: float = 1e-4,
) -> float:
    """How fast PJAP leaves a point at which it rests: the largest real part of its Jacobian's eigenvalues.

    Derived in chapter 6, prop-critical.

    Args:
        game: Of n players.
        policy: ``(n,)``, a point at which the update vanishes.
        dataset: ``(m, n)``.
        steepness: At least 0.
        exponent: At least 0.
        floor: In (0, 1].

    Returns:
        Below 0: the point attracts the team. Above 0: it repels it.

    Raises:
        ValueError: As `pjap_jacobian`.

    Example:
        >>> from pjap.games import datasets, twin_peaks
        >>> data = datasets.uniform(2, 40000, seed=0)
        >>> round(leading_eigenvalue(twin_peaks(), [0.0, 0.0], data, steepness=4.0), 1)
        2.3
    """
    jacobian = pjap_jacobian(game, policy, dataset, steepness=steepness, exponent=exponent, floor=floor)
    return float(np.linalg.eigvals(jacobian).real.max())


def critical_steepness(
    game: PolynomialGame,
    policy: ArrayLike,
    dataset: ArrayLike,
    *,
    exponent: float = 1.0,
    floor: float = 1e-4,
    most: float = 50.0,
) -> float:
    """The least steepness at which PJAP leaves a resting point that attracts BRUD (chapter 6, eq-critical).

    The first zero crossing, from below, of `leading_eigenvalue` as steepness rises from 0: scanned, then bisected.

    Args:
        game: Of n players.
        policy: ``(n,)``, a point at which the update vanishes.
        dataset: ``(m, n)``.
        exponent: At least 0.
        floor: In (0, 1].
        most: The largest steepness to try, above 0.

    Returns:
        The critical steepness; 0 when the point does not even attract BRUD.

    Raises:
        ValueError: If no steepness up to ``most`` frees the team, or as `pjap_jacobian`.

    Example:
        >>> from pjap.games import datasets, twin_peaks
        >>> data = datasets.uniform(2, 40000, seed=0)
        >>> round(critical_steepness(twin_peaks(), [0.0, 0.0], data), 1)
        2.1
    """

    def eigenvalue(steepness: float) -> float:
        return leading_eigenvalue(game, policy, dataset, steepness=steepness, exponent=exponent, floor=floor)

    if eigenvalue(0.0) > 0:
        return 0.0
    low = 0.0
    for high in np.linspace(0, most, 201)[1:]:
        if eigenvalue(high) > 0:
            break
        low = float(high)
    else:
        raise ValueError(f"no steepness up to {most} makes PJAP leave {np.asarray(policy).tolist()}: raise most.")
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if eigenvalue(middle) > 0 else (middle, high)
    return float(high)
