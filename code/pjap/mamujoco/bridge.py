"""Games with states: the bridge between the polynomial games and MAMuJoCo (the book's own addition; chapter 8).

Two agents with one action each. Because the reward, and what the joint action does to the state, are known formulas,
so are the joint action values and the policy gradient: a learner that fails here can be asked whether its critic or
its data misled it. States, datasets and environments have the shapes of MAMuJoCo's, so that the same learners run.

- `ContextualGame`: a polynomial game whose coefficients depend on an observed state; one step.
- `PushGame`: a cart on a short track, which moves only if both agents push the same way; several steps, and the state
  moves with the joint action.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from pjap.mamujoco.dataset import Dataset
from pjap.mamujoco.networks import Layers, apply_policies

Floats = NDArray[np.float32]
Behaviour = Callable[[Floats, np.random.Generator], NDArray[Any]]
"""Takes states (E, S) and a random generator, returns actions (E, 2)."""


@dataclass(frozen=True)
class ContextualGame:
    """A polynomial game whose coefficients are linear in an observed state.

    ``R(s, x, y) = sum_kl (C[0, k, l] + sum_j s_j C[j, k, l]) x^k y^l``, states uniform in [-1, 1]^S, one step
    (chapter 8).

    Attributes:
        name: for messages and datasets.
        coefficients: nested tuples C (1 + S, K, L).
        horizon: steps of an episode: 1.
    """

    name: str
    coefficients: tuple[tuple[tuple[float, ...], ...], ...]
    horizon: int = 1

    def __post_init__(self) -> None:
        shape = np.shape(self.coefficients)
        if len(shape) != 3 or shape[0] < 2:
            raise ValueError(f"coefficients have shape {shape}, expected (1 + S, K, L) with at least one state S")
        nested = tuple(tuple(tuple(row) for row in matrix) for matrix in self.coefficients)
        # Of lists or an array, too: a game is compiled in, by its hash.
        object.__setattr__(self, "coefficients", nested)
        if self.horizon != 1:
            raise ValueError(f"a contextual game has one step, got horizon {self.horizon}")

    @property
    def state_size(self) -> int:
        """S."""
        return len(self.coefficients) - 1

    def start(self, rng: np.random.Generator, copies: int) -> Floats:
        """Draw initial states: (copies, S).

        Args:
            rng: draws the states.
            copies: E, how many.

        Returns:
            (E, S) states.
        """
        return rng.uniform(-1, 1, (copies, self.state_size)).astype(np.float32)

    def step(self, state: jax.Array, actions: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Play: states (..., S) and joint actions (..., 2) to the same states and rewards (...).

        Args:
            state: (..., S).
            actions: (..., 2) joint actions.

        Returns:
            (..., S) the same states, and (...) rewards.
        """
        constant, slopes = jnp.asarray(self.coefficients[0]), jnp.asarray(self.coefficients[1:])
        coefficients = constant + jnp.einsum("...s,skl->...kl", state, slopes)
        x_powers = actions[..., :1] ** jnp.arange(coefficients.shape[-2])
        y_powers = actions[..., 1:] ** jnp.arange(coefficients.shape[-1])
        return state, jnp.einsum("...kl,...k,...l->...", coefficients, x_powers, y_powers)


@dataclass(frozen=True)
class PushGame:
    """A cart on the track [-1, 1] that two agents push (chapter 8, eq-push).

    The cart moves by ``stride (x + y) / 2`` until it meets an end of the track. The reward is
    ``gain (moved / stride)^2 - cost (x^2 + y^2) / 2``: moving pays, in either direction, and pushing costs. With
    gain / 4 < cost / 2 it does not pay to push alone; with gain > cost it pays to push together. Near an end there is
    only one good way; in the middle there are two, and the agents must choose the same.

    The state is (position, fraction of the horizon that has passed); positions start uniform.

    Attributes:
        name: for messages and datasets.
        stride: how far the cart moves if both push with all their force, above 0.
        gain: reward of moving by one stride.
        cost: of pushing.
        horizon: steps of an episode, at least 1.
    """

    name: str = "push"
    stride: float = 0.5
    gain: float = 1.0
    cost: float = 0.6
    horizon: int = 4

    def __post_init__(self) -> None:
        if self.horizon < 1 or not self.stride > 0:
            raise ValueError(f"horizon must be at least 1 and stride above 0, got {self.horizon} and {self.stride}")

    @property
    def state_size(self) -> int:
        """S."""
        return 2

    def start(self, rng: np.random.Generator, copies: int) -> Floats:
        """Draw initial states: (copies, 2).

        Args:
            rng: draws the positions.
            copies: E, how many.

        Returns:
            (E, 2) states.
        """
        return np.stack([rng.uniform(-1, 1, copies), np.zeros(copies)], axis=1).astype(np.float32)

    def step(self, state: jax.Array, actions: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Push: states (..., 2) and joint actions (..., 2) to the next states and rewards (...).

        Args:
            state: (..., 2).
            actions: (..., 2) joint actions.

        Returns:
            (..., 2) next states, and (...) rewards.
        """
        position, elapsed = state[..., 0], state[..., 1]
        moved = jnp.clip(position + self.stride * actions.mean(-1), -1, 1) - position
        reward = self.gain * (moved / self.stride) ** 2 - self.cost * (actions**2).mean(-1)
        return jnp.stack([position + moved, elapsed + 1 / self.horizon], axis=-1), reward


Game = ContextualGame | PushGame


def contextual_twin_peaks() -> ContextualGame:
    """Twin peaks whose sign depends on the state: ``R = 5 s xy - x^2 - y^2 - 4 x^2 y^2``.

    For s > 2/5 the agents must agree in sign, for s < -2/5 they must differ; in between the origin is best (chapter 8,
    eq-contextual). At s = 1 it is the game of Tilbury et al. (2024).

    Returns:
        A game of one state variable, S = 1.
    """
    constant = ((0.0, 0.0, -1.0), (0.0, 0.0, 0.0), (-1.0, 0.0, -4.0))
    slope = ((0.0, 0.0, 0.0), (0.0, 5.0, 0.0), (0.0, 0.0, 0.0))
    return ContextualGame("contextual-twin-peaks", (constant, slope))


# --- Truth ----------------------------------------------------------------------------------------------------------


@lru_cache
def exact_critic(game: Game, discount: float = 0.99) -> Callable[[Any, jax.Array, jax.Array], jax.Array]:
    """The true value of a joint action when the current policies act afterwards: an `ExactCritic` of the learners.

    Args:
        game: which one.
        discount: gamma, the learner's.

    Returns:
        A function of the current policies (observations (..., 2, S) to actions (..., 2, 1)), states (..., S) and joint
        actions (..., 2), that returns values (...). Differentiable.
    """

    def value(act: Any, state: jax.Array, joint_actions: jax.Array) -> jax.Array:
        running = jnp.ones(state.shape[:-1])
        total = jnp.zeros(state.shape[:-1])
        for _ in range(game.horizon):
            state, reward = game.step(state, joint_actions)
            total += running * reward
            # The last state's second coordinate has reached 1; a contextual game ends at once.
            ended = game.horizon == 1 or state[..., 1] > 1 - 0.5 / game.horizon
            running = running * discount * (1 - jnp.asarray(ended, jnp.float32))
            joint_actions = act(observe(state))[..., 0]
        return total

    return value


def observe(state: Any) -> Any:
    """Both agents see the state: (..., S) -> (..., 2, S).

    Args:
        state: (..., S), of NumPy or JAX.

    Returns:
        (..., 2, S) observations, of the same kind.
    """
    xp = jnp if isinstance(state, jax.Array) else np
    return xp.stack([state, state], axis=-2)


def team_return(game: Game, policies: list[Layers], start: jax.Array) -> jax.Array:
    """The mean undiscounted return of a team from some initial states; its gradient is the true policy gradient.

    Args:
        game: which one.
        policies: two feed-forward policies, of a learner that does not normalise.
        start: (E, S) initial states.

    Returns:
        The mean over states, a scalar.
    """
    value = exact_critic(game, discount=1.0)
    actions = apply_policies(policies, observe(start))[..., 0]
    return value(lambda observations: apply_policies(policies, observations), start, actions).mean()


def best_joint_action(game: ContextualGame, state: Any, points: int = 201) -> tuple[Floats, Floats]:
    """The best joint action on a grid, and its reward, in each state.

    Args:
        game: a game of one step.
        state: (E, S).
        points: of the grid, in each action.

    Returns:
        (E, 2) and (E,).
    """
    axis = jnp.linspace(-1, 1, points)
    grid = jnp.stack(jnp.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    rewards = jax.lax.map(
        lambda one: game.step(jnp.broadcast_to(one, (len(grid), len(one))), grid)[1], jnp.asarray(state)
    )
    return np.asarray(grid[rewards.argmax(axis=1)]), np.asarray(rewards.max(axis=1))


# --- Playing --------------------------------------------------------------------------------------------------------


class GameEnvironment:
    """Many copies of a game, with the protocol of `environment.Environment`.

    Attributes:
        observations: (E, 2, S).
        state: (E, S).
        elapsed: (E,) steps since each copy's reset.
    """

    def __init__(self, game: Game, copies: int, seed: int) -> None:
        """Build the copies and reset all of them.

        Args:
            game: which one.
            copies: E >= 1.
            seed: of initial states.

        Raises:
            ValueError: for fewer than one copy.
        """
        if copies < 1:
            raise ValueError(f"copies must be at least 1, got {copies}")
        self.game, self.copies = game, copies
        self._rng = np.random.default_rng(seed)
        self.elapsed = np.zeros(copies, np.int64)
        self.state = np.zeros((copies, game.state_size), np.float32)
        self.reset(np.ones(copies, bool))

    @property
    def observations(self) -> Floats:
        """(E, 2, S) what both agents see now."""
        seen: Floats = observe(self.state)
        return seen

    def reset(self, finished: NDArray[np.bool_]) -> None:
        """Start a new episode in the copies (E,) that are named.

        Args:
            finished: (E,) which copies.
        """
        fresh = self.game.start(self._rng, self.copies)
        self.state = np.where(finished[:, None], fresh, self.state)
        self.elapsed[finished] = 0

    def step(self, actions: Any) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
        """Move every copy on by one step.

        Args:
            actions: (E, 2, 1) in [-1, 1].

        Returns:
            (E,) rewards; (E,) terminals; (E,) truncations, of which there are none.

        Raises:
            ValueError: if the actions have another shape.
        """
        actions = np.asarray(actions, np.float32)
        if actions.shape != (self.copies, 2, 1):
            raise ValueError(f"actions must have shape (copies, 2, 1) = {(self.copies, 2, 1)}, got {actions.shape}")
        state, rewards = _play(self.game, self.state, actions[..., 0])
        self.state = np.array(state)
        self.elapsed += 1
        return np.asarray(rewards), self.elapsed >= self.game.horizon, np.zeros(self.copies, bool)


@partial(jax.jit, static_argnums=0)
def _play(game: Game, state: Any, actions: Any) -> tuple[jax.Array, jax.Array]:
    return game.step(state, actions)


def make_dataset(game: Game, behaviours: Sequence[Behaviour], episodes: int, seed: int) -> Dataset:
    """Let several teams play, the same number of episodes each.

    Args:
        game: which one.
        behaviours: the teams.
        episodes: of each team.
        seed: of initial states and noise.

    Returns:
        Transitions, episode after episode.

    Raises:
        ValueError: if there is no team or no episode.
    """
    if not behaviours or episodes < 1:
        raise ValueError(f"expected at least one behaviour and one episode, got {len(behaviours)} and {episodes}")
    parts = []
    for team, behaviour in enumerate(behaviours):
        rng = np.random.default_rng([seed, team])
        environment = GameEnvironment(game, episodes, seed=int(rng.integers(2**31)))
        for _ in range(game.horizon):
            state = environment.state
            actions = np.clip(behaviour(state, rng), -1, 1)[..., None]
            rewards, terminals, truncations = environment.step(actions)
            parts.append((observe(state), actions, rewards, terminals, truncations, state))
    columns: list[Floats] = []
    for column in zip(*parts, strict=True):  # (teams * horizon) arrays (episodes, ...) -> one array, by episode
        stacked = np.stack(column).reshape(len(behaviours), game.horizon, episodes, *column[0].shape[1:])
        columns.append(np.swapaxes(stacked, 1, 2).reshape(-1, *column[0].shape[1:]).astype(np.float32))
    return Dataset(game.name, *columns)


# --- Teams ----------------------------------------------------------------------------------------------------------


def random_team(state: Floats, rng: np.random.Generator) -> NDArray[Any]:
    """Joint actions uniform on the square: coverage without coordination.

    Args:
        state: (E, S), of which only the number E is used.
        rng: draws the actions.

    Returns:
        (E, 2) joint actions.
    """
    return rng.uniform(-1, 1, (len(state), 2))


def peak_team(sign: int, noise: float = 0.2) -> Behaviour:
    """A team that plays one of the two best joint actions of `contextual_twin_peaks`, with Gaussian noise.

    Args:
        sign: 1 or -1, of the first agent's action.
        noise: its standard deviation.

    Returns:
        A behaviour: states (E, 1) and a generator to joint actions (E, 2).
    """

    def behave(state: Floats, rng: np.random.Generator) -> NDArray[Any]:
        # On the diagonal R = 5 |s| x^2 - 2 x^2 - 4 x^4, largest where x^2 = (5 |s| - 2) / 8.
        size = np.sqrt(np.maximum(5 * np.abs(state[:, 0]) - 2, 0) / 8)
        best = sign * size[:, None] * np.stack([np.ones(len(state)), np.sign(state[:, 0])], axis=1)
        return np.asarray(best + noise * rng.standard_normal(best.shape))

    return behave


def push_team(direction: int, noise: float = 0.2) -> Behaviour:
    """A team that pushes one way in the middle of the track, and away from an end when it is near one.

    Args:
        direction: 1 or -1.
        noise: standard deviation of the Gaussian added to the actions.

    Returns:
        A behaviour: states (E, 2) and a generator to joint actions (E, 2).
    """

    def behave(state: Floats, rng: np.random.Generator) -> NDArray[Any]:
        position = state[:, :1]
        way = np.where(np.abs(position) > 0.5, -np.sign(position), direction)
        return np.asarray(way + noise * rng.standard_normal((len(state), 2)))

    return behave
