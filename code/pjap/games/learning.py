"""Learning in a polynomial game: a joint policy, moved step by step by one of the three updates.

`learn` is the book's learner for chapters 2 to 7: projected gradient ascent on the action box, with exact
expectations over the dataset or with sampled minibatches, for one start or for a whole batch of them at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pjap.games import _checks
from pjap.games._checks import Floats
from pjap.games.polynomial import PolynomialGame
from pjap.games.updates import brud_gradient, proximal_probabilities, replayed_gradient, true_gradient
from pjap.priorities import joint_action_distance

__all__ = ["History", "Update", "draw", "learn"]

Update = Callable[..., Floats]
"""``update(game, policy, dataset, **settings) -> gradient``: (..., n), (..., m, n) -> (..., n)."""


@dataclass(frozen=True, eq=False)
class History:
    """What happened while a team learnt: T steps, from one start or from a batch of starts.

    Attributes:
        policies: ``(T + 1, ..., n)``, the first one the start.
        rewards: ``(T + 1, ...)``, the team's reward at each of them.
        distances: ``(T, ...)``, the mean distance between the joint actions a step learnt from and its joint policy.
        probabilities: ``(T, ..., m)``, how likely each row of the dataset was to be drawn, if this was asked for.

    Example:
        >>> from pjap.games import sign_agreement
        >>> history = learn(sign_agreement(), [[0.8, -0.8]], [0.5, 0.4], update="brud", steps=2, step_size=0.1)
        >>> history.policies.round(2).tolist()
        [[0.5, 0.4], [0.42, 0.48], [0.34, 0.56]]
    """

    policies: Floats
    rewards: Floats
    distances: Floats
    probabilities: Floats | None = None


def learn(
    game: PolynomialGame,
    dataset: ArrayLike | None,
    start: ArrayLike,
    *,
    update: str | Update,
    steps: int = 100,
    step_size: float = 0.02,
    batch_size: int | None = None,
    seed: int = 0,
    keep_probabilities: bool = False,
    **settings: float,
) -> History:
    """Move a joint policy by gradient ascent: ``mu <- clip(mu + step_size * update, -1, 1)`` (chapter 2, eq-ascent).

    Args:
        game: Of n players.
        dataset: ``(m, n)``, or ``(..., m, n)`` for a dataset of its own for each start; may be None for "true",
            which looks at no data.
        start: ``(n,)``, or ``(..., n)`` for a batch of at least one start, inside ``[-1, 1]``.
        update: "true" (chapter 2), "brud" (chapter 3), "pjap" (chapter 6), or a function with the signature
            of `Update`.
        steps: ``T``, at least 0.
        step_size: At least 0.
        batch_size: None for exact expectations over the dataset; else the number of rows drawn, with replacement,
            for each step and each start: with PJAP's probabilities for "pjap", uniformly for the others. Of no
            effect for "true", which draws nothing.
        seed: Of the sampling.
        keep_probabilities: Whether to keep the sampling probabilities of every step; it takes a dataset.
        **settings: Of the update: for "pjap" ``steepness``, ``exponent`` and ``floor``; none for "true" and "brud".

    Returns:
        The history. For "true" the distances are 0: it learns from the joint policy itself.

    Raises:
        ValueError: If ``update`` is unknown, a shape is wrong, the dataset is empty, a value is not finite, or a
            number is outside its range.
        TypeError: If a setting is not one of the update's.

    Example:
        >>> from pjap.games import datasets, twin_peaks
        >>> peak = [0.375**0.5, 0.375**0.5]
        >>> data = datasets.gaussian(peak, 0.25, size=500, seed=0)
        >>> for update in ("brud", "pjap"):
        ...     history = learn(twin_peaks(), data, [-0.5, 0.5], update=update)
        ...     print(update, history.rewards[-1].round(2))
        brud 0.43
        pjap 0.55
    """
    if not callable(update) and update not in ("true", "brud", "pjap"):
        raise ValueError(f'update is {update!r}, expected "true", "brud", "pjap" or a function.')
    if settings and update in ("true", "brud"):
        raise TypeError(f'update "{update}" takes no settings, but got {sorted(settings)}: they belong to "pjap".')
    policy = _checks.joint_actions("start", start, game.players)
    if policy.size == 0:
        raise ValueError(f"start has shape {policy.shape}, an empty batch: expected at least one start.")
    if np.abs(policy).max() > 1:
        raise ValueError("start lies outside the action box, expected actions in [-1, 1].")
    if dataset is None and update != "true":
        raise ValueError('dataset is None, which only update="true" can do without: pass an (m, n) array.')
    if dataset is None and keep_probabilities:
        raise ValueError("dataset is None, so no row has a probability: pass one, or leave out keep_probabilities.")
    data = policy.reshape(-1, game.players) if dataset is None else _checks.dataset(dataset, game.players)
    if data.ndim != 2 and data.shape[:-2] != policy.shape[:-1]:
        raise ValueError(
            f"dataset has shape {data.shape}, expected (m, {game.players}), or a dataset for each start: "
            f"{(*policy.shape[:-1], 'm', game.players)}."
        )
    _checks.whole("steps", steps, 0)
    _checks.at_least("step_size", step_size, 0.0)
    if batch_size is not None:
        _checks.whole("batch_size", batch_size, 1)
    if update == "pjap":  # refuse a wrong setting now, also where no step is taken
        proximal_probabilities(policy, data[..., :1, :], **settings)
    generator = np.random.default_rng(seed)

    uniform = np.full((*policy.shape[:-1], data.shape[-2]), 1 / data.shape[-2])
    policies, distances, kept = [policy], [], []
    for _ in range(steps):
        probabilities = proximal_probabilities(policy, data, **settings) if update == "pjap" else uniform
        if update == "true":
            gradient, distance = true_gradient(game, policy), np.zeros(policy.shape[:-1])
        else:
            gradient, distance = _step(game, policy, data, probabilities, update, batch_size, generator, settings)
        policy = np.clip(policy + step_size * gradient, -1, 1)
        policies.append(policy)
        distances.append(distance)
        if keep_probabilities:
            kept.append(probabilities)
    trajectory = np.stack(policies)
    return History(
        policies=trajectory,
        rewards=game.reward(trajectory),
        distances=np.array(distances).reshape(steps, *policy.shape[:-1]),
        probabilities=np.array(kept).reshape(steps, *uniform.shape) if keep_probabilities else None,
    )


def _step(
    game: PolynomialGame,
    policy: Floats,
    data: Floats,
    probabilities: Floats,
    update: str | Update,
    batch_size: int | None,
    generator: np.random.Generator,
    settings: dict[str, Any],
) -> tuple[Floats, Floats]:
    """One update from the data and the mean distance of what it used: (..., n) and (...)."""
    if batch_size is None:
        weights, rows = probabilities, data
    else:
        drawn = draw(probabilities, batch_size, generator)
        rows = data[drawn] if data.ndim == 2 else np.take_along_axis(data, drawn[..., None], axis=-2)
        weights = np.full(rows.shape[:-1], 1 / batch_size)
    distances = joint_action_distance(rows, policy[..., None, :])
    if callable(update):
        gradient = np.asarray(update(game, policy, rows, **settings), dtype=float)
    elif batch_size is None:
        gradient = replayed_gradient(game, policy, rows, weights)
    else:
        gradient = brud_gradient(game, policy, rows)
    return gradient, np.sum(weights * distances, axis=-1)


def draw(probabilities: Floats, size: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Indices drawn with replacement, by inverting the cumulative distribution of each batch row.

    Args:
        probabilities: ``(..., m)``, summing to 1 over the last axis.
        size: How many indices to draw for each.
        generator: The random generator.

    Returns:
        ``(..., size)``, whole numbers from 0 to ``m - 1``.

    Example:
        >>> draw(np.array([0.0, 1.0]), 3, np.random.default_rng(0)).tolist()
        [1, 1, 1]
    """
    *batch, m = probabilities.shape
    cumulative = np.cumsum(probabilities.reshape(-1, m), axis=1)
    cumulative /= cumulative[:, -1:]
    uniforms = generator.random((len(cumulative), size))
    # Row r occupies [r, r + 1], so that one search serves all rows.
    offsets = np.arange(len(cumulative))[:, None]
    found = np.searchsorted((cumulative + offsets).ravel(), (uniforms + offsets).ravel(), side="right")
    within = np.clip(found.reshape(-1, size) - m * offsets, 0, m - 1)
    return np.asarray(within.reshape(*batch, size), dtype=np.int64)
