"""Policy gradients of a team of deterministic policies: the true one, BRUD's and PJAP's.

A joint policy of a game is a joint action ``mu`` of shape ``(n,)``. Three ways to move it:

- true: player i follows ``d_i R(mu_1, ..., mu_n)``, every player's *current* action (chapter 2);
- BRUD: player i follows ``E_(a ~ B)[d_i R(mu_i, a_-i)]``, the others replayed from the dataset (chapter 3);
- PJAP: the same, with data near the current joint policy drawn more often (chapter 6).

All three take a batch of policies as readily as one.
"""

import numpy as np
from numpy.typing import ArrayLike

from pjap.games import _checks
from pjap.games._checks import Floats
from pjap.games.polynomial import PolynomialGame, differentiate, evaluate
from pjap.priorities import joint_action_distance, proximal_priorities, sampling_probabilities

__all__ = [
    "brud_gradient",
    "pjap_gradient",
    "proximal_probabilities",
    "replayed_gradient",
    "true_gradient",
]


def true_gradient(game: PolynomialGame, policy: ArrayLike, dataset: ArrayLike | None = None) -> Floats:
    """The gradient of the team's reward at its current joint policy, ``g_i = d_i R(mu)`` (chapter 2, eq-true-gradient).

    Args:
        game: Of n players.
        policy: ``(..., n)``.
        dataset: Not looked at; here so that the three updates can be exchanged for one another.

    Returns:
        ``(..., n)``.

    Raises:
        ValueError: If ``policy`` has another shape or is not finite.

    Example:
        >>> from pjap.games import sign_agreement
        >>> true_gradient(sign_agreement(), [0.5, -0.25]).tolist()
        [-0.25, 0.5]
    """
    return game.gradient(policy)


def brud_gradient(game: PolynomialGame, policy: ArrayLike, dataset: ArrayLike) -> Floats:
    """Best Response Under Data, ``b_i = E_(a ~ B)[d_i R(mu_i, a_-i)]`` (Tilbury et al., 2024; chapter 3, def-brud).

    Args:
        game: Of n players.
        policy: ``(..., n)``.
        dataset: ``(m, n)``, or ``(..., m, n)`` for a minibatch of its own for each policy.

    Returns:
        ``(..., n)``.

    Raises:
        ValueError: If a shape is another one, the dataset is empty, or an entry is not finite.

    Example:
        >>> from pjap.games import sign_agreement
        >>> brud_gradient(sign_agreement(), [0.5, 0.5], [[0.8, -0.4]]).tolist()  # (mean of y, mean of x)
        [-0.4, 0.8]
    """
    dataset = _checks.dataset(dataset, game.players)
    size = dataset.shape[-2]
    return replayed_gradient(game, policy, dataset, np.full(size, 1 / size))


def pjap_gradient(
    game: PolynomialGame,
    policy: ArrayLike,
    dataset: ArrayLike,
    *,
    steepness: float = 4.0,
    exponent: float = 1.0,
    floor: float = 1e-4,
) -> Floats:
    """The expected update under Proximal Joint-Action Prioritisation (Tilbury et al., 2024; chapter 6, eq-pjap-update).

    ``sum_a P(a; mu) d_i R(mu_i, a_-i)`` with ``P`` from `proximal_probabilities`: a kernel (Nadaraya-Watson)
    estimate, at ``mu``, of the true gradient.

    Args:
        game: Of n players.
        policy: ``(..., n)``.
        dataset: ``(m, n)``.
        steepness: ``alpha``, at least 0; at 0 this is `brud_gradient`.
        exponent: At least 0.
        floor: Least priority, in (0, 1].

    Returns:
        ``(..., n)``.

    Raises:
        ValueError: If a shape is another one, the dataset is empty, an entry is not finite, or a setting is outside
            its range.

    Example:
        >>> from pjap.games import sign_agreement
        >>> pjap_gradient(sign_agreement(), [0.8, 0.8], [[0.8, 0.8], [-0.8, 0.8]], steepness=9.0).round(3).tolist()
        [0.8, 0.8]
    """
    probabilities = proximal_probabilities(policy, dataset, steepness=steepness, exponent=exponent, floor=floor)
    return replayed_gradient(game, policy, dataset, probabilities)


def proximal_probabilities(
    policy: ArrayLike,
    dataset: ArrayLike,
    *,
    steepness: float = 4.0,
    exponent: float = 1.0,
    floor: float = 1e-4,
) -> Floats:
    """Probability with which PJAP draws each joint action of the dataset at the current joint policy.

    Defined in chapter 6, def-pjap.

    Args:
        policy: ``(..., n)``.
        dataset: ``(m, n)``.
        steepness: At least 0.
        exponent: At least 0.
        floor: In (0, 1].

    Returns:
        ``(..., m)``, summing to 1 over the last axis.

    Raises:
        ValueError: If a shape is another one, the dataset is empty, an entry is not finite, or a setting is outside
            its range.

    Example:
        >>> proximal_probabilities([0.5, 0.5], [[0.5, 0.5], [-0.5, -0.5]], steepness=1.0).round(2).tolist()
        [0.73, 0.27]
    """
    dataset = _checks.dataset(dataset, np.shape(dataset)[-1] if np.ndim(dataset) else 0)
    policy = _checks.joint_actions("policy", policy, dataset.shape[-1])
    distances = joint_action_distance(dataset, policy[..., None, :])
    priorities = proximal_priorities(distances, steepness=steepness, floor=floor)
    return np.asarray(sampling_probabilities(priorities, exponent=exponent))


def replayed_gradient(game: PolynomialGame, policy: ArrayLike, dataset: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Each player's gradient with the others replayed: ``sum_a P(a) d_i R(mu_i, a_-i)`` (chapter 3, eq-brud).

    The player's own polynomial is averaged over the data first, so that only one polynomial has to be differentiated
    and evaluated, however many rows there are.

    Args:
        game: Of n players.
        policy: ``(..., n)``.
        dataset: ``(..., m, n)``.
        probabilities: ``(..., m)``, not negative, summing to 1: uniform ones give BRUD, proximal ones PJAP.

    Returns:
        ``(..., n)``.

    Raises:
        ValueError: If a shape is another one, the dataset is empty, an entry is not finite, or ``probabilities`` are
            none.

    Example:
        >>> from pjap.games import sign_agreement
        >>> replayed_gradient(sign_agreement(), [0.0, 0.0], [[1, 1], [-1, 1]], [0.75, 0.25]).tolist()
        [1.0, 0.5]
    """
    dataset = _checks.dataset(dataset, game.players)
    policy = _checks.joint_actions("policy", policy, game.players)
    probabilities = _checks.probabilities(probabilities, dataset.shape[-2])
    batch = np.broadcast_shapes(policy.shape[:-1], dataset.shape[:-2], probabilities.shape[:-1])
    policy = np.broadcast_to(policy, (*batch, game.players))
    gradient = np.empty(policy.shape)
    for player in range(game.players):
        own = game.own_polynomial(player, dataset)
        averaged = (probabilities[..., None, :] @ own)[..., 0, :]
        gradient[..., player] = evaluate(differentiate(averaged), policy[..., player])
    return gradient
