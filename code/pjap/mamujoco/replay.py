"""Replay on the device: the dataset as one array, windows of it drawn uniformly or by priority.

An *item* is a window of consecutive time steps, named by its first one: two steps (a transition) for feed-forward
learners, a sequence for recurrent ones. Sampling probabilities are kept as the leaves of a wide sum tree: with 8
children a node, seven levels reach two million items, so that neither drawing a batch nor re-scoring some items costs
much more as the data grows. Introduced in chapter 9.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pjap.priorities import effective_sample_size, proximal_priorities

CHILDREN = 8
"""Children of a node of the sum tree. Drawing is cheapest with few; a million items still take only seven levels."""


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["rows", "observation_mean", "observation_scale", "state_mean", "state_scale"],
    meta_fields=["steps", "agents", "observation_size", "action_size", "state_size", "normalised"],
)
@dataclass(frozen=True)
class Data:
    """A dataset on the device.

    Attributes:
        rows: (steps + 1, S + N O + N A + 3), see `Steps`; the last row is empty, so that the last step has a successor.
        observation_mean: (N, O) subtracted from observations.
        observation_scale: (N, O) then divides them.
        state_mean: (S,) as for observations.
        state_scale: (S,) as for observations.
        steps: T time steps.
        agents: N.
        observation_size: O.
        action_size: A of one agent.
        state_size: S.
        normalised: whether observations and states have mean 0 and deviation 1, rather than being as recorded.
    """

    rows: jax.Array
    observation_mean: jax.Array
    observation_scale: jax.Array
    state_mean: jax.Array
    state_scale: jax.Array
    steps: int
    agents: int
    observation_size: int
    action_size: int
    state_size: int
    normalised: bool


class Steps(NamedTuple):
    """Time steps, normalised; the leading axes of a batch are (time, batch).

    Attributes:
        state: (..., S).
        observations: (..., N, O).
        actions: (..., N, A).
        rewards: (...) shared by the agents.
        terminals: (...) 1 where the episode ended here by its own rules: nothing follows.
        truncations: (...) 1 where it was cut off here: what follows is not in the data.
    """

    state: jax.Array
    observations: jax.Array
    actions: jax.Array
    rewards: jax.Array
    terminals: jax.Array
    truncations: jax.Array


def load(dataset: Any, *, normalise: bool = True) -> Data:
    """Put a dataset on the device.

    Args:
        dataset: NumPy arrays `observations` (T, N, O), `actions` (T, N, A), `state` (T, S), and `rewards`,
            `terminals`, `truncations`, each (T,) or (T, N), in the order in which they happened. Actions are clipped
            to [-1, 1]: OG-MARL's may lie outside.
        normalise: give every observed quantity mean 0 and standard deviation 1 over the data.

    Returns:
        The dataset as one array of rows, with its sizes and normalisation.

    Raises:
        ValueError: for arrays of other shapes or lengths, NaN or infinity, fewer than two steps, flags other than 0 and
            1, or what is not the same for all agents though they share it.
    """
    observations, actions, state = (np.asarray(getattr(dataset, name)) for name in ("observations", "actions", "state"))
    if observations.ndim != 3 or actions.ndim != 3 or state.ndim != 2:
        raise ValueError(
            "expected observations (T, N, O), actions (T, N, A) and state (T, S), "
            f"got {observations.shape}, {actions.shape} and {state.shape}"
        )
    steps, agents, observation_size = observations.shape
    if steps < 2:
        raise ValueError(f"the dataset has {steps} steps, expected at least 2")
    if actions.shape[:2] != (steps, agents) or len(state) != steps:
        raise ValueError(
            f"observations {observations.shape}, actions {actions.shape} and state {state.shape} do not agree on the "
            "number of steps and agents"
        )
    for name in ("observations", "actions", "state", "rewards", "terminals", "truncations"):
        if not np.isfinite(getattr(dataset, name)).all():
            raise ValueError(f"{name} holds NaN or infinity: the dataset is damaged, make or fetch it again")
    rewards, terminals, truncations = (
        _shared(name, np.asarray(getattr(dataset, name)), (steps, agents))
        for name in ("rewards", "terminals", "truncations")
    )
    for name, flags in (("terminals", terminals), ("truncations", truncations)):
        if not np.isin(flags, (0, 1)).all():
            raise ValueError(f"{name} holds other values than 0 and 1")
    truncations = truncations.astype(np.float32) * (1 - terminals.astype(np.float32))
    truncations[-1] = 1 - terminals[-1]  # nothing follows the last step

    observation_mean, observation_scale = _mean_and_scale(observations, normalise)
    state_mean, state_scale = _mean_and_scale(state, normalise)
    columns = [
        (state - state_mean) / state_scale,
        ((observations - observation_mean) / observation_scale).reshape(steps, -1),
        actions.clip(-1, 1).reshape(steps, -1),
        np.stack([rewards, terminals, truncations], axis=1),
    ]
    rows = np.zeros((steps + 1, sum(column.shape[1] for column in columns)), np.float32)
    np.concatenate(columns, axis=1, out=rows[:-1], casting="unsafe")
    return Data(
        rows=jnp.asarray(rows),
        observation_mean=jnp.asarray(observation_mean, jnp.float32),
        observation_scale=jnp.asarray(observation_scale, jnp.float32),
        state_mean=jnp.asarray(state_mean, jnp.float32),
        state_scale=jnp.asarray(state_scale, jnp.float32),
        steps=steps,
        agents=agents,
        observation_size=observation_size,
        action_size=actions.shape[2],
        state_size=state.shape[1],
        normalised=normalise,
    )


def _shared(name: str, values: Any, shape: tuple[int, int]) -> Any:
    """One value a step of what all agents share: (T,) or (T, N) -> (T,)."""
    if values.shape == shape[:1]:
        return values
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}, expected (T,) = {shape[:1]} or (T, N) = {shape}")
    if (values != values[:, :1]).any():
        raise ValueError(f"{name} differ between the agents, but they must be shared")
    return values[:, 0]


def _mean_and_scale(values: Any, normalise: bool) -> tuple[Any, Any]:
    if not normalise:
        return np.zeros(values.shape[1:]), np.ones(values.shape[1:])
    scale = values.std(axis=0, dtype=np.float64)
    # A quantity that never changes, such as padding, keeps its scale.
    return values.mean(axis=0, dtype=np.float64), np.where(scale > 1e-6, scale, 1.0)


def take(data: Data, starts: jax.Array, length: int) -> Steps:
    """Read windows.

    Args:
        data: the dataset.
        starts: (B,) first steps.
        length: L, steps in a window.

    Returns:
        Steps with leading axes (L, B).
    """
    return split(data, data.rows[starts + jnp.arange(length)[:, None]])


def split(data: Data, rows: jax.Array) -> Steps:
    """Part stored rows (..., columns) into what they hold: Steps with leading axes (...).

    Args:
        data: gives the sizes.
        rows: (..., columns).

    Returns:
        Steps with the leading axes of the rows.
    """
    agents, leading = data.agents, rows.shape[:-1]
    widths = [data.state_size, agents * data.observation_size, agents * data.action_size]
    state, observations, actions, rest = jnp.split(rows, np.cumsum(widths), axis=-1)
    return Steps(
        state,
        observations.reshape(*leading, agents, -1),
        actions.reshape(*leading, agents, -1),
        *(rest[..., column] for column in range(3)),
    )


def items(data: Data, length: int) -> int:
    """The number of windows of `length` steps; two steps may reach into the empty last row.

    Args:
        data: T steps.
        length: L, steps in a window, at least 1.

    Returns:
        How many first steps a window can have.
    """
    return data.steps - max(length - 2, 0)


class Priorities(NamedTuple):
    """How near each item is to the current joint policy, as last scored, and the sum tree of sampling weights.

    Attributes:
        distances: (m,) mean absolute difference to the current joint action.
        levels: sampling weights, `priority ** exponent`, zero beyond the m items: the leaves (..., CHILDREN), then
            sums over the last axis of the level below, (..., CHILDREN) again, up to the root (1, CHILDREN).
        steepness: the one that was used last.
        position: the item at which the next sweep starts.
    """

    distances: jax.Array
    levels: tuple[jax.Array, ...]
    steepness: jax.Array
    position: jax.Array


def weigh(distances: jax.Array, *, steepness: Any, floor: float, exponent: float) -> jax.Array:
    """The sampling weight of items: PJAP's priority to the power `exponent`; see `pjap.priorities`.

    Args:
        distances: (...) at least 0.
        steepness: as in `proximal_priorities`.
        floor: as in `proximal_priorities`.
        exponent: as in `sampling_probabilities`.

    Returns:
        (...) weights in (0, 1].
    """
    weights: jax.Array = proximal_priorities(distances, steepness=steepness, floor=floor) ** exponent
    return weights


def build(distances: jax.Array, *, steepness: Any, floor: float, exponent: float) -> Priorities:
    """Build the sum tree of all items.

    Args:
        distances: (m,).
        steepness: as in `proximal_priorities`.
        floor: as in `proximal_priorities`.
        exponent: as in `sampling_probabilities`.

    Returns:
        The sum tree, whose next sweep starts at item 0.
    """
    weights = weigh(distances, steepness=steepness, floor=floor, exponent=exponent)
    levels = [_nodes(weights)]
    while len(levels[-1]) > 1:
        levels.append(_nodes(levels[-1].sum(axis=-1)))
    return Priorities(distances, tuple(levels), jnp.asarray(steepness, jnp.float32), jnp.int32(0))


def _nodes(values: jax.Array) -> jax.Array:
    """Arrange values as nodes of CHILDREN, padded with zeros."""
    return jnp.pad(values, (0, -len(values) % CHILDREN)).reshape(-1, CHILDREN)


def rescore(
    priorities: Priorities, indices: jax.Array, distances: jax.Array, *, steepness: Any, floor: float, exponent: float
) -> Priorities:
    """Replace the distances of some items, and with them their weights.

    Args:
        priorities: before.
        indices: (M,) items; one that is named twice must come with the same distance both times.
        distances: (M,).
        steepness: for these items; the weights of the others stay as they are.
        floor: as in `proximal_priorities`.
        exponent: as in `sampling_probabilities`.

    Returns:
        The sum tree after.
    """
    values = weigh(distances, steepness=steepness, floor=floor, exponent=exponent)
    nodes, levels = indices, []
    for level in priorities.levels:
        level = level.at[nodes // CHILDREN, nodes % CHILDREN].set(values)
        nodes = nodes // CHILDREN
        values = level[nodes].sum(axis=-1)
        levels.append(level)
    return priorities._replace(
        distances=priorities.distances.at[indices].set(distances),
        levels=tuple(levels),
        steepness=jnp.asarray(steepness, jnp.float32),
    )


def draw(priorities: Priorities, key: jax.Array, batch_size: int) -> jax.Array:
    """Draw items with replacement, with probability proportional to their weights.

    From the root down, a fresh uniform number picks the child: the product of the conditional probabilities is the
    item's probability, and no rounding error of a cumulative sum over millions reaches a leaf.

    Args:
        priorities: of m items.
        key: a JAX random key.
        batch_size: how many.

    Returns:
        (batch_size,) items.
    """
    uniforms = jax.random.uniform(key, (len(priorities.levels), batch_size))
    node = jnp.zeros(batch_size, jnp.int32)
    for level, uniform in zip(reversed(priorities.levels), uniforms, strict=True):
        node = node * CHILDREN + _pick(level[node], uniform)
    return node


def _pick(weights: jax.Array, uniform: jax.Array) -> jax.Array:
    """The child that a uniform number falls on: weights (B, CHILDREN), uniform (B,) -> (B,)."""
    cumulative = jnp.cumsum(weights, axis=-1)
    total = cumulative[:, -1:]
    # Strictly below the total, so that a child of weight zero at the end is never picked.
    threshold = jnp.minimum(uniform[:, None] * total, jnp.nextafter(total, jnp.zeros_like(total)))
    return (cumulative <= threshold).sum(axis=-1)


def draw_uniform(key: jax.Array, batch_size: int, count: int) -> jax.Array:
    """Draw items with replacement, all with the same probability.

    Args:
        key: a JAX random key.
        batch_size: how many.
        count: m, of items.

    Returns:
        (batch_size,) items, in [0, m).
    """
    return jax.random.randint(key, (batch_size,), 0, count)


def leaf_weights(priorities: Priorities) -> jax.Array:
    """(m,) the sampling weights of all items.

    Args:
        priorities: of m items.

    Returns:
        (m,) weights.
    """
    return priorities.levels[0].reshape(-1)[: len(priorities.distances)]


def steepness_for(distances: jax.Array, fraction: float, *, floor: float, exponent: float) -> jax.Array:
    """The smallest steepness that leaves this fraction of the items as effective sample size; compiled.

    The book's own addition; `pjap.priorities.steepness_for_effective_sample_size` is its NumPy twin. Where no
    steepness reaches the fraction (the floor lifts all weights), the one that comes nearest is returned.

    Args:
        distances: (m,).
        fraction: of m, in (0, 1].
        floor: as in `proximal_priorities`.
        exponent: as in `sampling_probabilities`.

    Returns:
        The steepness, a scalar.
    """

    def remaining(steepness: Any) -> jax.Array:
        weights = weigh(distances, steepness=steepness, floor=floor, exponent=exponent)
        return jnp.asarray(effective_sample_size(weights) / len(distances))

    grid = jnp.geomspace(0.05, 2000.0, 27)
    fractions = jax.lax.map(remaining, grid)
    reached = fractions <= fraction
    first = jnp.where(reached.any(), jnp.argmax(reached), jnp.argmin(fractions))

    def halve(_: Any, bracket: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bracket
        middle = (low + high) / 2
        enough = remaining(middle) <= fraction
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    low = jnp.where(first > 0, grid[jnp.maximum(first - 1, 0)], 0.0)
    bisected = jax.lax.fori_loop(0, 14, halve, (low, grid[first]))[1]
    return jnp.where(reached.any(), bisected, grid[first])
