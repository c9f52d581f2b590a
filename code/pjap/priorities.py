"""Proximal Joint-Action Prioritisation (PJAP): distance, priority, sampling probability, effective sample size.

The idea in one line: replay the data that the *current* joint policy could have produced.
A joint action ``a`` at distance ``d(a, mu)`` from the current joint action ``mu`` is drawn with probability
proportional to ``rho(a; mu) ** p``, where ``rho = clip(exp(-(alpha * d) ** 2), rho_min, 1)``
(Tilbury et al., 2024, arXiv 2407.01343). ``alpha`` is the steepness, ``p`` the exponent, ``rho_min`` the floor.

Each function takes NumPy or JAX arrays, with or without leading batch axes, and answers in kind;
the polynomial games and the MAMuJoCo learners share this one definition.
Derived in chapter 6.
"""

from typing import Any

import numpy as np

__all__ = [
    "effective_sample_size",
    "joint_action_distance",
    "proximal_priorities",
    "sampling_probabilities",
    "steepness_for_effective_sample_size",
]

Array = Any
"""A NumPy array or a JAX array."""


def joint_action_distance(joint_actions: Array, policy_action: Array, *, axis: int | tuple[int, ...] = -1) -> Array:
    """Mean absolute difference between joint actions in the data and the current joint action.

    ``d(a, mu) = mean over action dimensions of |a - mu|`` (chapter 6, eq-distance; for sequences, the mean over time
    too).

    Args:
        joint_actions: ``(..., n)``, actions as recorded.
        policy_action: broadcastable to ``(..., n)``, the current joint policy's action in the same place.
        axis: The axes that make up one sampled item: ``-1`` for a game's joint action, ``(-3, -2, -1)`` for a
            sequence of (time, agent, action dimension).

    Returns:
        Distances, at least 0, of the broadcast shape without ``axis``.

    Raises:
        ValueError: If the shapes do not broadcast, or a NumPy input holds NaN or infinity.

    Example:
        >>> joint_action_distance([[0.5, -0.5], [1.0, 1.0]], [0.5, 0.5]).tolist()
        [0.5, 0.5]
    """
    xp, (joint_actions, policy_action) = _as_arrays(joint_actions=joint_actions, policy_action=policy_action)
    try:
        difference = joint_actions - policy_action
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"joint_actions has shape {joint_actions.shape} and policy_action {policy_action.shape}: they must "
            "broadcast. For one policy and m data points use (m, n) and (n,); for several policies add an axis: "
            "policies[..., None, :]."
        ) from error
    return xp.mean(xp.abs(difference), axis=axis)


def proximal_priorities(distances: Array, *, steepness: float = 4.0, floor: float = 1e-4) -> Array:
    """Priority of each item: near the current joint policy 1, far from it ``floor``.

    ``rho = clip(exp(-(alpha * d) ** 2), rho_min, 1)`` with steepness ``alpha`` and floor ``rho_min`` (chapter 6,
    eq-priority).

    Args:
        distances: ``(...)``, at least 0.
        steepness: At least 0. At 0 every item has priority 1: uniform sampling, hence BRUD.
        floor: In (0, 1]. Keeps every item reachable.

    Returns:
        Priorities in ``[floor, 1]``, of the shape of ``distances``.

    Raises:
        ValueError: If ``steepness`` or ``floor`` is outside its range, or a NumPy input holds NaN, infinity or a
            negative number.

    Example:
        >>> proximal_priorities([0.0, 0.25, 9.0]).round(4).tolist()
        [1.0, 0.3679, 0.0001]
    """
    xp, (distances,) = _as_arrays(distances=distances)
    _check_not_negative("distances", distances)
    _check_setting("steepness", steepness, low=0.0, low_included=True)
    _check_setting("floor", floor, low=0.0, high=1.0)
    return xp.clip(xp.exp(-((steepness * distances) ** 2)), floor, 1.0)


def sampling_probabilities(priorities: Array, *, exponent: float = 1.0) -> Array:
    """Probability with which each item is drawn: its priority to the power ``exponent``, normalised.

    No importance weights correct for it afterwards: that would undo the method (chapter 6, prop-correction).

    Args:
        priorities: ``(..., m)``, above 0.
        exponent: At least 0. At 0 sampling is uniform.

    Returns:
        ``(..., m)``, non-negative, summing to 1 over the last axis.

    Raises:
        ValueError: If ``exponent`` is negative, there is no item, or a NumPy input holds NaN or infinity.

    Example:
        >>> sampling_probabilities([1.0, 0.5, 0.5]).tolist()
        [0.5, 0.25, 0.25]
    """
    xp, (priorities,) = _as_arrays(priorities=priorities)
    _check_setting("exponent", exponent, low=0.0, low_included=True)
    _check_weights("priorities", priorities)
    # Relative to the largest, so that tiny floors and large exponents do not underflow to 0 / 0.
    weights = (priorities / xp.max(priorities, axis=-1, keepdims=True)) ** exponent
    return weights / xp.sum(weights, axis=-1, keepdims=True)


def effective_sample_size(weights: Array) -> Array:
    """Kish's effective sample size: how many equally weighted items these weights are worth.

    ``ESS = (sum w)^2 / sum w^2`` (chapter 6, eq-ess): ``m`` for uniform weights, 1 when one item has all the weight.

    Args:
        weights: ``(..., m)``, non-negative, not all 0: priorities or probabilities.

    Returns:
        ``(...)``, in ``[1, m]``.

    Raises:
        ValueError: If there is no item, or a NumPy input holds NaN or infinity.

    Example:
        >>> float(effective_sample_size([1.0, 1.0, 0.0, 0.0]))
        2.0
    """
    xp, (weights,) = _as_arrays(weights=weights)
    _check_weights("weights", weights)
    weights = weights / xp.max(weights, axis=-1, keepdims=True)  # their squares could underflow
    return xp.sum(weights, axis=-1) ** 2 / xp.sum(weights**2, axis=-1)


def steepness_for_effective_sample_size(
    distances: Array, target: float, *, exponent: float = 1.0, floor: float = 1e-4
) -> float:
    """The smallest steepness at which the effective sample size has fallen to ``target``.

    The book's own addition (chapter 6): a steepness of 4 is mild on one dataset and savage on another;
    the effective sample size it leaves says which.

    Args:
        distances: ``(m,)``, at least 0: from the current joint action to each item.
        target: The wanted effective sample size, in ``[1, m]``.
        exponent: As in `sampling_probabilities`.
        floor: As in `proximal_priorities`.

    Returns:
        The steepness, at least 0.

    Raises:
        ValueError: If ``target`` is out of range, or no steepness reaches it: the floor lifts all weights alike
            once they are small, so the effective sample size has a least value that depends on the data.

    Example:
        >>> distances = np.linspace(0.0, 1.0, 101)
        >>> round(steepness_for_effective_sample_size(distances, target=25), 1)
        5.1
    """
    distances = np.asarray(distances, dtype=float)
    if distances.ndim != 1:
        raise ValueError(f"distances has shape {distances.shape}, expected (m,): pass one policy's distances.")
    _check_items("distances", distances)
    if not 1 <= target <= distances.size:
        raise ValueError(f"target is {target}, expected a value from 1 to the number of items, {distances.size}.")

    def remaining(steepness: float) -> float:
        priorities = proximal_priorities(distances, steepness=steepness, floor=floor)
        return float(effective_sample_size(sampling_probabilities(priorities, exponent=exponent)))

    if remaining(0.0) <= target:
        return 0.0
    # From where all priorities are nearly 1 to where all but those of the nearest are at the floor, in any unit.
    apart = distances[distances > 1e-12 * distances.max()]
    edge = np.sqrt(-np.log(floor)) if floor < 1 else 1.0
    grid = np.geomspace(1e-3 / apart.max(), 2 * edge / apart.min(), 1000) if apart.size else np.ones(1)
    below = next((steepness for steepness in grid if remaining(steepness) <= target), None)
    if below is None:
        least = min(remaining(steepness) for steepness in grid)
        raise ValueError(
            f"target is {target}, but no steepness leaves less than {least:.1f} effective samples of these "
            f"{distances.size}. Raise target or exponent (now {exponent}), or lower floor (now {floor})."
        )
    low, high = 0.0, float(below)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if remaining(middle) <= target else (middle, high)
    return high


def _as_arrays(**inputs: Array) -> tuple[Any, list[Array]]:
    """The array namespace that the inputs share (JAX if any is a JAX array) and the inputs as its arrays."""
    foreign = [value for value in inputs.values() if _is_foreign(value)]
    xp = foreign[0].__array_namespace__() if foreign else np
    for name, value in inputs.items():
        # A traced JAX array has no values to look at yet, so only NumPy inputs are checked for them.
        if not _is_foreign(value) and not np.all(np.isfinite(np.asarray(value, dtype=float))):
            raise ValueError(f"{name} holds NaN or infinity, expected finite numbers: clean the data first.")
    return xp, [value if _is_foreign(value) else xp.asarray(value, dtype=float) for value in inputs.values()]


def _is_foreign(value: Array) -> bool:
    return hasattr(value, "__array_namespace__") and not isinstance(value, np.ndarray | np.generic)


def _check_items(name: str, values: Array) -> None:
    if values.ndim < 1 or values.shape[-1] == 0:
        raise ValueError(f"{name} has shape {values.shape}, expected (..., m) with m of at least 1.")


def _check_not_negative(name: str, values: Array) -> None:
    if not _is_foreign(values) and (values < 0).any():
        raise ValueError(f"{name} holds a negative number, expected numbers of at least 0.")


def _check_weights(name: str, values: Array) -> None:
    _check_items(name, values)
    if not _is_foreign(values) and ((values < 0).any() or not values.any(axis=-1).all()):
        raise ValueError(f"{name} holds a negative number or nothing but 0, expected weights of at least 0, not all 0.")


def _check_setting(name: str, value: float, *, low: float, low_included: bool = False, high: float = np.inf) -> None:
    if _is_foreign(value):
        return
    inside = (low <= value if low_included else low < value) and value <= high and value < np.inf
    if not inside:
        bracket = "[" if low_included else "("
        end = f"{high:g}]" if high < np.inf else "infinity)"
        raise ValueError(f"{name} is {value}, expected a number in {bracket}{low:g}, {end}.")
