"""Polynomial games: common-payoff games whose reward is a polynomial in the players' scalar actions.

Two players with actions ``x`` and ``y`` share the reward ``R(x, y) = sum_kl c_kl x^k y^l``; with n players the
coefficient ``c[k_1, ..., k_n]`` multiplies ``a_1^k_1 ... a_n^k_n``. Actions live in the box ``[-1, 1]^n``.

Polynomial games go back to Dresher, Karlin and Shapley (1950), who studied the zero-sum kind; these are
common-payoff. Sign agreement and twin peaks are the games of Tilbury et al. (2024, arXiv 2407.01343);
the rest of the gallery is the book's own. Introduced in chapter 2.

Three ways to build one:

>>> print(PolynomialGame([[0, 0], [0, 1]]))
R(x, y) = xy
>>> print(twin_peaks())
R(x, y) = 5xy - x^2 - y^2 - 4x^2y^2
>>> print(coupled_quadratic(strength=0.5))
R(x, y) = 0.5xy - 0.5x^2 - 0.5y^2
"""

from dataclasses import dataclass
from itertools import product
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pjap.games import _checks
from pjap.games._checks import Floats

__all__ = [
    "PolynomialGame",
    "coupled_quadratic",
    "differentiate",
    "evaluate",
    "leaning_agreement",
    "no_interaction",
    "sign_agreement",
    "three_way_agreement",
    "twin_peaks",
]


@dataclass(frozen=True, eq=False)
class PolynomialGame:
    """A common-payoff game of n >= 2 players with scalar actions and a polynomial reward.

    Defined in chapter 2, eq-polynomial-game.

    Attributes:
        coefficients: ``(K_1, ..., K_n)``; entry ``[k_1, ..., k_n]`` multiplies ``a_1**k_1 * ... * a_n**k_n``.
            Nested lists will do; the game keeps a read-only copy.

    Raises:
        ValueError: If there are fewer than two axes, an axis is empty, or an entry is NaN or infinite.

    Example:
        >>> game = PolynomialGame([[0, 0], [0, 1]])  # R(x, y) = xy
        >>> game.reward([[1.0, 1.0], [-1.0, 1.0]]).tolist()
        [1.0, -1.0]
        >>> game.gradient([0.5, -1.0]).tolist()
        [-1.0, 0.5]
    """

    coefficients: Floats

    def __post_init__(self) -> None:
        coefficients = _checks.finite("coefficients", self.coefficients).copy()
        if coefficients.ndim < 2 or coefficients.size == 0:
            raise ValueError(
                f"coefficients has shape {coefficients.shape}, expected one non-empty axis for each of at least two "
                "players: coefficients[k, l] multiplies x**k * y**l."
            )
        coefficients.flags.writeable = False
        object.__setattr__(self, "coefficients", coefficients)

    @property
    def players(self) -> int:
        """The number of players, n."""
        return self.coefficients.ndim

    def own_polynomial(self, player: int, joint_action: ArrayLike) -> Floats:
        """The reward as a polynomial in one player's own action, with the others' actions held.

        ``R(a) = sum_k q_k a_i^k`` with ``q_k = sum over k_-i of c[k_1, ..., k_n] prod_(j != i) a_j^k_j``.
        Averaged over a dataset it is what BRUD climbs (chapter 3, eq-averaged-polynomial).

        Args:
            player: ``i``, from 0.
            joint_action: ``(..., n)``; column ``i`` is not looked at.

        Returns:
            ``(..., K_i)``: the coefficients ``q``, lowest power first.

        Raises:
            ValueError: If there is no such player or ``joint_action`` has another shape or is not finite.

        Example:
            >>> twin_peaks().own_polynomial(0, [0.0, 0.5]).tolist()  # -0.25 + 2.5 x - 2 x^2
            [-0.25, 2.5, -2.0]
        """
        if not isinstance(player, Integral) or player not in range(self.players):
            raise ValueError(f"player is {player}, expected a whole number from 0 to {self.players - 1}.")
        joint_action = _checks.joint_actions("joint_action", joint_action, self.players)
        actions = joint_action.reshape(-1, self.players)
        others = [other for other in range(self.players) if other != player]
        coefficients = np.transpose(self.coefficients, [*others, player])
        powers = [np.vander(actions[:, other], self.coefficients.shape[other], increasing=True) for other in others]
        # Sum the front-most axis away against the powers of that player's action, one other player after the other.
        polynomial = np.tensordot(powers[0], coefficients, axes=1)
        for power in powers[1:]:
            polynomial = np.einsum("bk,bk...->b...", power, polynomial)
        return polynomial.reshape(*joint_action.shape[:-1], self.coefficients.shape[player])

    def reward(self, joint_action: ArrayLike) -> Floats:
        """The team's reward ``R(a)``.

        Args:
            joint_action: ``(..., n)``.

        Returns:
            ``(...)``.

        Raises:
            ValueError: If ``joint_action`` has another shape or is not finite.

        Example:
            >>> float(twin_peaks().reward([-0.5, 0.5]))
            -2.0
        """
        joint_action = _checks.joint_actions("joint_action", joint_action, self.players)
        return evaluate(self.own_polynomial(0, joint_action), joint_action[..., 0])

    def gradient(self, joint_action: ArrayLike) -> Floats:
        """The gradient of the reward: entry ``i`` is ``d R / d a_i``.

        Args:
            joint_action: ``(..., n)``.

        Returns:
            ``(..., n)``.

        Raises:
            ValueError: If ``joint_action`` has another shape or is not finite.

        Example:
            >>> twin_peaks().gradient([-0.5, 0.5]).tolist()
            [4.5, -4.5]
        """
        joint_action = _checks.joint_actions("joint_action", joint_action, self.players)
        partials = [
            evaluate(differentiate(self.own_polynomial(player, joint_action)), joint_action[..., player])
            for player in range(self.players)
        ]
        return np.stack(partials, axis=-1)

    def maxima(self) -> tuple[Floats, Floats]:
        """The local maxima of the reward on the box ``[-1, 1]^n``, best first.

        Found by projected gradient ascent from a grid of starts, with a step that grows while the reward rises
        and halves when it does not. A ridge of equal maxima is returned as the points of it that were reached.

        Returns:
            Joint actions ``(q, n)`` and their rewards ``(q,)``, in falling order of reward.

        Example:
            >>> joint_actions, rewards = twin_peaks().maxima()
            >>> joint_actions.round(4).tolist(), rewards.round(4).tolist()
            ([[-0.6124, -0.6124], [0.6124, 0.6124]], [0.5625, 0.5625])
        """
        per_axis = max(3, round(400 ** (1 / self.players)))
        # Each player's axis is shifted by a little, so that no start lies on a line of symmetry between two maxima;
        # the last one's ends at 1 at most.
        shift = min(0.01, 0.04 / (self.players - 1))
        axes = [np.linspace(-0.97 + shift * player, 0.96 + shift * player, per_axis) for player in range(self.players)]
        policy = np.array(list(product(*axes)))
        step = np.full((len(policy), 1), 0.1)
        for _ in range(600):
            proposal = np.clip(policy + step * self.gradient(policy), -1, 1)
            better = (self.reward(proposal) > self.reward(policy))[:, None]
            policy = np.where(better, proposal, policy)
            step = np.where(better, 1.5 * step, 0.5 * step)
        policy = policy[self._is_local_maximum(policy)]
        for shift in (0.0, 5e-6):  # starts that met at one maximum may lie on both sides of a rounding boundary
            _, kept = np.unique((policy + shift).round(5), axis=0, return_index=True)
            policy = policy[kept]
        rewards = self.reward(policy)
        order = np.argsort(-(rewards / self._scale).round(9), kind="stable")
        return policy[order], rewards[order]

    @property
    def _scale(self) -> float:
        """The largest coefficient's size: rounding errors, and what counts as equal rewards, go with it."""
        return float(np.abs(self.coefficients).max()) or 1.0

    def _is_local_maximum(self, joint_action: Floats) -> NDArray[np.bool_]:
        """Whether no joint action a hundredth away, inside the box, has a higher reward: (b, n) -> (b,)."""
        moves = np.array(list(product([-0.01, 0.0, 0.01], repeat=self.players)))
        risen = []
        for part in np.array_split(joint_action, 1 + len(joint_action) * len(moves) // 10**5):  # to fit into memory
            neighbours = np.clip(part[:, None, :] + moves, -1, 1)
            risen.append(self.reward(neighbours).max(axis=1) > self.reward(part) + 1e-9 * self._scale)
        return ~np.concatenate(risen)

    def __str__(self) -> str:
        return self._write("{}^{}")

    def _repr_latex_(self) -> str:
        return f"${self._write('{}^{{{}}}')}$"

    def _write(self, power: str) -> str:
        names = ["x", "y", "z"][: self.players] if self.players <= 3 else [f"a_{i + 1}" for i in range(self.players)]
        exponents = [tuple(map(int, k)) for k in np.argwhere(self.coefficients)]
        terms = ""
        for k in sorted(exponents, key=lambda k: (sum(k), max(k), [-e for e in k])):
            coefficient = float(self.coefficients[k])
            factors = [name if e == 1 else power.format(name, e) for name, e in zip(names, k, strict=True) if e]
            size = "" if abs(coefficient) == 1 and factors else f"{abs(coefficient):g}"
            sign = (" - " if coefficient < 0 else " + ") if terms else ("-" if coefficient < 0 else "")
            terms += sign + size + "".join(factors)
        return f"R({', '.join(names)}) = {terms or '0'}"


def evaluate(polynomial: Floats, action: Floats) -> Floats:
    """A batch of one-variable polynomials, each at its own point.

    Args:
        polynomial: ``(..., K)``, lowest power first.
        action: ``(...)``.

    Returns:
        ``(...)``.

    Example:
        >>> float(evaluate(np.array([-0.25, 2.5, -2.0]), np.array(0.5)))
        0.5
    """
    # Horner's rule, from the highest power down.
    value = polynomial[..., -1] + np.zeros_like(action)
    for k in range(polynomial.shape[-1] - 2, -1, -1):
        value = value * action + polynomial[..., k]
    return value


def differentiate(polynomial: Floats) -> Floats:
    """The derivatives of a batch of one-variable polynomials.

    Args:
        polynomial: ``(..., K)``, lowest power first.

    Returns:
        ``(..., max(K - 1, 1))``, lowest power first.

    Example:
        >>> differentiate(np.array([-0.25, 2.5, -2.0])).tolist()
        [2.5, -4.0]
    """
    degree = polynomial.shape[-1] - 1
    if degree == 0:
        return np.zeros_like(polynomial)
    return polynomial[..., 1:] * np.arange(1, degree + 1)


def sign_agreement() -> PolynomialGame:
    """The sign-agreement game ``R = xy``: the team is rewarded when its two actions agree in sign (chapter 4).

    Returns:
        A game of two players whose maxima are the corners (1, 1) and (-1, -1), with reward 1.

    Example:
        >>> float(sign_agreement().reward([1.0, -1.0]))
        -1.0
    """
    return PolynomialGame(np.array([[0, 0], [0, 1]]))


def twin_peaks() -> PolynomialGame:
    """The twin-peaks game ``R = 5xy - x^2 - y^2 - 4x^2y^2`` (chapter 7).

    Returns:
        A game of two players with maxima at ``+-(sqrt(3/8), sqrt(3/8))``, reward 9/16, and a saddle at the origin.

    Example:
        >>> float(twin_peaks().reward([0.375**0.5, 0.375**0.5]))
        0.5625
    """
    return PolynomialGame(np.array([[0, 0, -1], [0, 5, 0], [-1, 0, -4]]))


def no_interaction() -> PolynomialGame:
    """A game without interaction, ``R = x + y - x^2 - y^2``: each player can climb alone (chapter 5).

    Returns:
        A game of two players with its maximum at (1/2, 1/2), reward 1/2.

    Example:
        >>> float(no_interaction().reward([0.5, 0.5]))
        0.5
    """
    return PolynomialGame(np.array([[0, 1, -1], [1, 0, 0], [-1, 0, 0]]))


def coupled_quadratic(strength: float) -> PolynomialGame:
    """A quadratic game with interaction strength ``c``: ``R = c xy - (x^2 + y^2) / 2``.

    Defined in chapter 5, eq-coupled-quadratic.

    Args:
        strength: ``c``, any finite number. For ``|c| < 1`` the maximum is the origin; for ``c > 1`` the corners
            (1, 1) and (-1, -1); for ``c < -1`` the other two.

    Returns:
        A game of two players.

    Raises:
        ValueError: If ``strength`` is NaN or infinite.

    Example:
        >>> float(coupled_quadratic(2.0).reward([1.0, 1.0]))
        1.0
    """
    return PolynomialGame(np.array([[0, 0, -0.5], [0, strength, 0], [-0.5, 0, 0]]))


def leaning_agreement() -> PolynomialGame:
    """Sign agreement with a lean, ``R = xy + (x + y) / 2``: BRUD's failure is milder here (chapter 5).

    Each player gains by moving up, whatever the other does, unless the other's recorded mean is below -1/2.

    Returns:
        A game of two players with its best maximum at (1, 1), reward 2, and a lower one at (-1, -1), reward 0.

    Example:
        >>> float(leaning_agreement().reward([1.0, -1.0]))
        -1.0
    """
    return PolynomialGame(np.array([[0, 0.5], [0.5, 1]]))


def three_way_agreement() -> PolynomialGame:
    """Three players, ``R = xyz``: an even number of negative actions is rewarded (chapter 5, eq-three-way).

    Returns:
        A game of three players with four maxima, each with reward 1.

    Example:
        >>> float(three_way_agreement().reward([1.0, -1.0, -1.0]))
        1.0
    """
    coefficients = np.zeros((2, 2, 2))
    coefficients[1, 1, 1] = 1.0
    return PolynomialGame(coefficients)
