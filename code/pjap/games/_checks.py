"""Checks of what callers hand in: each says what was wrong, what was expected and how to mend it."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def finite(name: str, value: Any) -> Floats:
    """The value as a float array, if all of it is finite."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of numbers: {error}.") from error
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} holds NaN or infinity, expected finite numbers: clean the data first.")
    return array


def joint_actions(name: str, value: Any, players: int) -> Floats:
    """The value as (..., players)."""
    array = finite(name, value)
    if array.ndim < 1 or array.shape[-1] != players:
        raise ValueError(
            f"{name} has shape {array.shape}, expected (..., {players}): one action for each of the {players} players."
        )
    return array


def dataset(value: Any, players: int) -> Floats:
    """The value as (..., m, players), m of at least 1."""
    array = finite("dataset", value)
    if array.ndim < 2 or array.shape[-1] != players:
        raise ValueError(
            f"dataset has shape {array.shape}, expected (m, {players}): a row for each joint action, a column for "
            f"each of the {players} players."
        )
    if array.shape[-2] == 0:
        raise ValueError(f"dataset is empty (shape {array.shape}), expected at least one joint action.")
    return array


def at_least(name: str, value: float, least: float) -> None:
    """Refuse a setting below its least value."""
    if not (np.isfinite(value) and value >= least):
        raise ValueError(f"{name} is {value}, expected a finite number of at least {least:g}.")


def above_zero(name: str, value: float) -> None:
    """Refuse a setting that is not a finite number above 0."""
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}, expected a finite number above 0.")


def probabilities(value: Any, rows: int) -> Floats:
    """The value as (..., rows), not negative and summing to 1."""
    array = finite("probabilities", value)
    if array.shape[-1:] != (rows,):
        raise ValueError(f"probabilities has shape {array.shape}, expected (..., {rows}): one for each row.")
    if np.any(array < 0) or np.any(np.abs(array.sum(axis=-1) - 1) > 1e-6):
        raise ValueError("probabilities holds a negative number or does not sum to 1: divide weights by their sum.")
    return array


def whole(name: str, value: int, least: int) -> None:
    """Refuse a count that is not a whole number of at least ``least``."""
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} is {value}, expected a whole number of at least {least}.")
