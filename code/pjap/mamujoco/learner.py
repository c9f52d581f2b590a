"""Offline learners: MADDPG with conservative critics (CQL) or behaviour cloning (BC), uniform sampling or PJAP.

Training is one compiled loop: the dataset stays on the device, and sampling, critic, policy and target updates and
the re-scoring of priorities follow each other without a return to Python.

    settings = default_settings("bc", sampling="pjap")
    data = replay.load(dataset, normalise=settings.normalise)
    state = init(settings, data, seed=0)
    state, metrics = train(settings, state, data, updates=1000)
    returns = evaluate(policy_of(state, data), environment)

**Three learners.** `bc` and `cql` are feed-forward, one policy for each agent, with TD3's twin critics, delayed policy
updates and Adam. `bc` adds TD3+BC's clone term to the policy loss; `cql` adds CQL's penalty to the critic loss.
`recurrent-cql` is the paper's own learner (Tilbury et al., arXiv 2407.01343). Each draws windows of the data
uniformly or by PJAP, and improves each agent's policy against its partners' *replayed* actions (BRUD; chapter 3), or,
for comparison, against their current ones. Chapter 9 lists, learner by learner, the differences from the released code.

**Metrics** of a `train` call, means over its updates unless said otherwise:

- `critic_loss`: the mean over the batch of (y - Q)^2 / 2, summed over both critics, y the target.
- `cql_penalty`: the mean of logsumexp Q(s, sampled a) - Q(s, a), summed over both critics (0 without CQL).
- `data_value`: the first critic's mean value of the data's joint actions.
- `policy_value`: the mean value that the policy update climbs.
- `policy_loss`: what it minimises.
- `distance`: the mean absolute difference between sampled joint actions and the current policies' (chapter 6).
- `effective_sample_size`: of the stored sampling weights, as a fraction of all items, at the end.
- `steepness`: the one that was used last.
- `gradient_cosine`: at the end, the cosine between the policy gradient with replayed partners and the one with
  current partners, under the same critic, on a batch drawn as the policy update draws; the gradients are those of the
  value alone, with respect to all policies' parameters.
- `gradient_cosine_uniform`: the same on a uniformly drawn batch.
- `distance_uniform`: `distance`, at the end, on 4096 uniformly drawn items: how far the policies are from all the data.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from pjap.files import read_npz, to_npz, write_atomically
from pjap.mamujoco import replay
from pjap.mamujoco.networks import (
    Layers,
    Recurrent,
    apply_policies,
    fill_leaves,
    init_critics,
    init_policies,
    init_recurrent_policy,
    name_leaves,
    step_recurrent,
    unroll_recurrent,
    update_targets,
    value_joint_actions,
)
from pjap.mamujoco.replay import Data, Priorities, Steps
from pjap.priorities import effective_sample_size, joint_action_distance

LEARNERS = ("bc", "cql", "recurrent-cql")
SAMPLINGS = ("uniform", "pjap")

Policies = list[Layers] | Recurrent
ExactCritic = Callable[[Callable[[jax.Array], jax.Array], jax.Array, jax.Array], jax.Array]
"""Takes the current policies as a function from observations (..., N, O) to actions (..., N, A), states (..., S) and
joint actions (..., N A); returns values (...)."""

GENERATOR = "rbg"
"""JAX's random generator with the processor-friendly bits (Philox); the default one takes a tenth of an update."""

OOD_ROWS = 1024
"""Joint actions that the CQL penalty values at a time: their activations stay in the processor's cache."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides what training computes, apart from the data and the seed.

    The defaults are those of `bc`; `default_settings` gives each learner its own.

    Attributes:
        learner: "bc", "cql" or "recurrent-cql".
        sampling: "uniform" or "pjap".
        steepness: alpha of PJAP's priority.
        target_ess: in (0, 1): choose the steepness that leaves this fraction of the items as effective sample size,
            at each re-scoring, instead of `steepness` (the book's own addition). None: off.
        exponent: p of PJAP's priority.
        floor: rho_min of PJAP's priority.
        refresh: which items are re-scored: "random" draws them uniformly, as the paper's code means to; "sweep" goes
            through the data in order, so that all of it is re-scored once in items / refresh_size * refresh_every
            updates.
        refresh_size: items re-scored at a time; in a sweep, more than there are means all.
        refresh_every: updates between two re-scorings; a multiple of `policy_delay`, and a divisor of `train`'s
            updates with either sampling.
        partners: the other agents' actions in the policy update: "replayed" from the data (BRUD), or "current".
        prioritised: with PJAP, whose updates draw by priority: of "both", as released, or of the "critics" or the
            "policies" alone, the other kind drawing uniformly (the book's own ablation).
        width: units of a hidden layer.
        memory_size: units of the recurrent policy.
        sequence_length: steps in a window, for recurrent policies.
        batch_size: windows in a batch.
        critic_learning_rate: of Adam, or RMSProp for "recurrent-cql".
        policy_learning_rate: likewise.
        discount: gamma.
        target_rate: Polyak averaging of the target networks, each policy update.
        policy_delay: critic updates for one policy update.
        target_noise: standard deviation of the noise that smooths target actions.
        target_noise_clip: its bound.
        value_weight: weight of the normalised value against the clone term, for "bc" (alpha of TD3+BC).
        cql_weight: weight of the CQL penalty.
        cql_samples: joint actions drawn for it, each from the uniform distribution, around the current policies'
            and around their next ones.
        cql_sigma: standard deviation around them.
        action_penalty: weight of the mean squared action in the policy loss.
        reward_scale: multiplies rewards.
        normalise: give states and observations mean 0 and standard deviation 1 over the data: that of `replay.load`.
    """

    learner: Literal["bc", "cql", "recurrent-cql"] = "bc"
    sampling: Literal["uniform", "pjap"] = "uniform"
    steepness: float = 4.0
    target_ess: float | None = None
    exponent: float = 0.99
    floor: float = 1e-3
    refresh: Literal["random", "sweep"] = "sweep"
    refresh_size: int = 1024
    refresh_every: int = 10
    partners: Literal["replayed", "current"] = "replayed"
    prioritised: Literal["both", "critics", "policies"] = "both"
    width: int = 128
    memory_size: int = 64
    sequence_length: int = 20
    batch_size: int = 256
    critic_learning_rate: float = 3e-4
    policy_learning_rate: float = 3e-4
    discount: float = 0.99
    target_rate: float = 0.005
    policy_delay: int = 2
    target_noise: float = 0.2
    target_noise_clip: float = 0.5
    value_weight: float = 2.5
    cql_weight: float = 3.0
    cql_samples: int = 10
    cql_sigma: float = 0.3
    action_penalty: float = 0.0
    reward_scale: float = 1.0
    normalise: bool = True

    def __post_init__(self) -> None:
        _check_choices(self)
        _check_kinds(self)
        _check_ranges(self)
        if self.refresh_every % self.policy_delay:
            raise ValueError(
                f"refresh_every must be a multiple of policy_delay, got {self.refresh_every} and {self.policy_delay}"
            )

    @property
    def recurrent(self) -> bool:
        """Whether the policies have a memory."""
        return self.learner == "recurrent-cql"

    @property
    def conservative(self) -> bool:
        """Whether the critics are regularised (CQL), rather than the policies (BC)."""
        return self.learner != "bc"

    @property
    def window(self) -> int:
        """Steps in one item of the replay."""
        return self.sequence_length if self.recurrent else 2


def default_settings(learner: str, **changes: Any) -> Settings:
    """The settings of a learner, with some of them changed.

    Args:
        learner: "bc", "cql" or "recurrent-cql"; the last has the paper's released settings for 2halfcheetah.
        **changes: fields of `Settings`.

    Returns:
        The learner's defaults, with the changes.

    Raises:
        ValueError: for an unknown learner or setting, or a value out of range.
    """
    if learner not in LEARNERS:
        raise ValueError(f"unknown learner {learner!r}: choose one of {', '.join(LEARNERS)}")
    known = [field.name for field in fields(Settings)]
    for name in changes:
        if name not in known:
            raise ValueError(f"unknown setting {name!r}: choose from {', '.join(known)}")
    defaults: dict[str, dict[str, Any]] = {
        "bc": {},
        "cql": {"action_penalty": 1e-3},
        "recurrent-cql": {
            "action_penalty": 1e-3,
            "width": 64,
            "batch_size": 64,
            "critic_learning_rate": 1e-3,
            "policy_learning_rate": 3e-4,
            "policy_delay": 1,
            "target_noise": 0.0,
            "refresh": "random",
            "refresh_size": 128,
            "refresh_every": 1,
            "normalise": False,
        },
    }
    return replace(Settings(learner=learner), **{**defaults[learner], **changes})  # type: ignore[arg-type]


def _check_choices(settings: Settings) -> None:
    choices = {
        "learner": LEARNERS,
        "sampling": SAMPLINGS,
        "refresh": ("random", "sweep"),
        "partners": ("replayed", "current"),
        "prioritised": ("both", "critics", "policies"),
    }
    for name, allowed in choices.items():
        value = getattr(settings, name)
        if value not in allowed:
            raise ValueError(f"unknown {name} {value!r}: choose one of {', '.join(allowed)}")


def _check_kinds(settings: Settings) -> None:
    """A variant on the command line may hold a word where a number is meant."""
    # NumPy's whole numbers would train, but they cannot be saved as JSON.
    kinds: dict[type, tuple[Any, str]] = {
        bool: (bool, "True or False"),
        int: (int, "a whole number (int)"),
        float: ((int, float), "a number"),
    }
    for field in fields(Settings):
        value, default = getattr(settings, field.name), field.default
        if isinstance(default, str) or (default is None and value is None):
            continue
        kind, words = kinds[float if default is None else type(default)]
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise ValueError(f"{field.name} must be {words}, got {value!r}")


def _check_ranges(settings: Settings) -> None:
    at_least_one = ("refresh_size", "refresh_every", "width", "memory_size", "batch_size", "policy_delay")
    lowest = dict.fromkeys(at_least_one, 1) | {"cql_samples": 1, "sequence_length": 2}
    for name, low in lowest.items():
        if getattr(settings, name) < low:
            raise ValueError(f"{name} must be at least {low}, got {getattr(settings, name)}")
    not_negative = ("steepness", "exponent", "target_noise", "target_noise_clip", "value_weight", "cql_weight")
    for name in (*not_negative, "action_penalty"):
        if not 0 <= getattr(settings, name) < np.inf:
            raise ValueError(f"{name} must be a finite number of at least 0, got {getattr(settings, name)}")
    for name in ("critic_learning_rate", "policy_learning_rate", "cql_sigma", "reward_scale"):
        if not 0 < getattr(settings, name) < np.inf:
            raise ValueError(f"{name} must be a finite number above 0, got {getattr(settings, name)}")
    for name in ("floor", "target_rate"):
        if not 0 < getattr(settings, name) <= 1:
            raise ValueError(f"{name} must be in (0, 1], got {getattr(settings, name)}")
    # Below that, single-precision weights may all be zero, and items would be drawn from outside the data.
    if settings.floor ** max(settings.exponent, 1) < 1e-30:
        raise ValueError(
            f"the smallest sampling weight, floor ** exponent, must be at least 1e-30, got {settings.floor} ** "
            f"{settings.exponent}: raise floor or lower exponent"
        )
    if not 0 <= settings.discount < 1:
        raise ValueError(f"discount must be in [0, 1), got {settings.discount}")
    if settings.target_ess is not None and not 0 < settings.target_ess < 1:
        raise ValueError(f"target_ess must be in (0, 1), a fraction of the items, or None, got {settings.target_ess}")


class State(NamedTuple):
    """What training changes.

    Attributes:
        policies: one network for each agent, or one recurrent network for all.
        critics: two.
        target_policies: Polyak averages.
        target_critics: likewise.
        policy_optimiser: its state.
        critic_optimiser: likewise.
        priorities: of all items; None with uniform sampling.
        key: the run's random key, as data, from its seed; it stays as it is.
        updates: critic updates done; with `key` it decides every random number.
    """

    policies: Any
    critics: list[Layers]
    target_policies: Any
    target_critics: list[Layers]
    policy_optimiser: Any
    critic_optimiser: Any
    priorities: Priorities | None
    key: jax.Array
    updates: jax.Array


def init(settings: Settings, data: Data, seed: int) -> State:
    """Draw the networks, copy them to the targets, and score all items.

    Args:
        settings: of the run.
        data: the dataset, from `replay.load`.
        seed: decides initial parameters, batches and noise.

    Returns:
        The state before the first update.

    Raises:
        ValueError: if the dataset is shorter than one window, or normalised where the settings say otherwise.
    """
    if data.steps < settings.window:
        raise ValueError(f"the dataset has {data.steps} steps, fewer than one window of {settings.window}")
    _require_normalised(settings, data)
    key = jax.random.key_data(jax.random.key(seed, impl=GENERATOR))
    return _init(settings, data, key)


def _require_normalised(settings: Settings, data: Data) -> None:
    if data.normalised != settings.normalise:
        raise ValueError(
            f"the dataset was loaded with normalise={data.normalised}, the settings expect {settings.normalise}: use "
            "`replay.load(dataset, normalise=settings.normalise)`"
        )


def _init(settings: Settings, data: Data, key: jax.Array) -> State:
    policy_key, critic_key, score_key = jax.random.split(jax.random.wrap_key_data(key, impl=GENERATOR), 3)
    sizes = (data.agents, data.observation_size, data.action_size)
    policies: Policies = (
        init_recurrent_policy(policy_key, *sizes, settings.width, settings.memory_size)
        if settings.recurrent
        else init_policies(policy_key, *sizes, settings.width)
    )
    # The released recurrent learner has 64-wide policies and 128-wide critics.
    critic_width = 2 * settings.width if settings.recurrent else settings.width
    critics = init_critics(critic_key, data.state_size, data.agents * data.action_size, critic_width)
    policy_optimiser, critic_optimiser = _optimisers(settings)
    return State(
        policies,
        critics,
        policies,
        critics,
        policy_optimiser.init(policies),
        critic_optimiser.init(critics),
        _score_all(settings, data, policies, score_key) if settings.sampling == "pjap" else None,
        key,
        jnp.int32(0),
    )


def _optimisers(settings: Settings) -> tuple[Any, Any]:
    rates = settings.policy_learning_rate, settings.critic_learning_rate
    if settings.recurrent:
        policy, critic = (optax.rmsprop(rate, decay=0.9, eps=1e-10) for rate in rates)
    else:
        policy, critic = (optax.adam(rate) for rate in rates)
    return policy, critic


# --- Priorities -----------------------------------------------------------------------------------------------------


def score(settings: Settings, data: Data, policies: Policies, indices: jax.Array) -> jax.Array:
    """Distance of some items to the joint policy: PJAP's d (chapter 6, eq-distance).

    Args:
        settings: of the run.
        data: the dataset.
        policies: for priorities the target policies, as in the paper's code.
        indices: (M,) items.

    Returns:
        (M,) mean absolute differences: over agents and actions, and over time if the item is a sequence.
    """
    steps = replay.take(data, indices, settings.window if settings.recurrent else 1)
    actions = unroll(policies, steps)
    return jnp.asarray(joint_action_distance(steps.actions, actions, axis=(0, 2, 3)))


@partial(jax.jit, static_argnames="settings")
def _score_all(settings: Settings, data: Data, policies: Policies, key: jax.Array) -> Priorities:
    """Score every item and build the sum tree."""
    count, block = replay.items(data, settings.window), 1024
    blocks = jnp.arange(-(-count // block) * block).reshape(-1, block) % count
    distances = jax.lax.map(lambda indices: score(settings, data, policies, indices), blocks).reshape(-1)[:count]
    steepness = _steepness(settings, distances, key)
    priorities: Priorities = replay.build(
        distances, steepness=steepness, floor=settings.floor, exponent=settings.exponent
    )
    return priorities


def _steepness(settings: Settings, distances: jax.Array, key: jax.Array) -> Any:
    if settings.target_ess is None:
        return jnp.float32(settings.steepness)
    # A few thousand items tell the effective sample size well enough, at a cost that does not grow with the data.
    some = distances[replay.draw_uniform(key, min(2048, len(distances)), len(distances))]
    return replay.steepness_for(some, settings.target_ess, floor=settings.floor, exponent=settings.exponent)


def _refresh(settings: Settings, data: Data, state: State) -> Priorities | None:
    """Re-score some items under the target policies."""
    priorities = state.priorities
    if priorities is None:
        return None
    count = len(priorities.distances)
    size = min(settings.refresh_size, count)
    item_key, steepness_key = jax.random.split(_key(state, 0))
    if settings.refresh == "random":
        indices = replay.draw_uniform(item_key, size, count)
    else:
        indices = (priorities.position + jnp.arange(size)) % count
    return replay.rescore(
        priorities,
        indices,
        score(settings, data, state.target_policies, indices),
        steepness=_steepness(settings, priorities.distances, steepness_key),
        floor=settings.floor,
        exponent=settings.exponent,
    )._replace(position=(priorities.position + size) % count)


def _draw(settings: Settings, data: Data, priorities: Priorities | None, key: jax.Array) -> jax.Array:
    """Draw the items of one batch."""
    if priorities is None:
        return replay.draw_uniform(key, settings.batch_size, replay.items(data, settings.window))
    return replay.draw(priorities, key, settings.batch_size)


# --- Losses ---------------------------------------------------------------------------------------------------------


def unroll(policies: Policies, steps: Steps) -> jax.Array:
    """Act in every step of a batch of windows.

    Args:
        policies: feed-forward or recurrent.
        steps: leading axes (L, B).

    Returns:
        (L, B, N, A) actions.
    """
    if isinstance(policies, dict):
        return unroll_recurrent(policies, steps.observations, jnp.maximum(steps.terminals, steps.truncations))
    return apply_policies(policies, steps.observations)


def next_actions(policies: Policies, steps: Steps) -> jax.Array:
    """Act in the second to last step of a batch of windows: (L - 1, B, N, A).

    Args:
        policies: feed-forward or recurrent.
        steps: leading axes (L, B).

    Returns:
        (L - 1, B, N, A) actions.
    """
    if isinstance(policies, dict):
        return unroll(policies, steps)[1:]
    return unroll(policies, _cut(steps, slice(1, None)))


def _cut(steps: Steps, part: slice) -> Steps:
    return Steps(*(leaf[part] for leaf in steps))


def _joint(actions: jax.Array) -> jax.Array:
    """(..., N, A) -> (..., N A)."""
    return actions.reshape(*actions.shape[:-2], -1)


def _value(critic: Layers, state: jax.Array, actions: jax.Array) -> jax.Array:
    """One joint action (..., N, A) in each state (..., S) -> (...)."""
    return value_joint_actions(critic, state, _joint(actions)[..., None, :])[..., 0]


def critic_targets(
    settings: Settings, target_policies: Policies, target_critics: list[Layers], steps: Steps, noise: jax.Array
) -> jax.Array:
    """TD3's target: reward and the smaller target critic's value of the target policies' next joint action.

    Derived in chapter 9, eq-td-target.

    Args:
        settings: discount, target noise, reward scale.
        target_policies: see `State`.
        target_critics: see `State`.
        steps: leading axes (L, B).
        noise: (L - 1, B, N, A) standard normal.

    Returns:
        (L - 1, B).
    """
    smoothing = jnp.clip(settings.target_noise * noise, -settings.target_noise_clip, settings.target_noise_clip)
    actions = jnp.clip(next_actions(target_policies, steps) + smoothing, -1, 1)
    values = jnp.minimum(*(_value(critic, steps.state[1:], actions) for critic in target_critics))
    return settings.reward_scale * steps.rewards[:-1] + settings.discount * (1 - steps.terminals[:-1]) * values


def temporal_difference_loss(
    critics: list[Layers], steps: Steps, targets: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Half the mean squared difference of both critics to their target, and their mean value of the data.

    A step that was cut off (truncated) has no successor in the data, hence no target: it does not count.

    Args:
        critics: two.
        steps: leading axes (L, B).
        targets: (L - 1, B).

    Returns:
        The loss summed over the critics; the first critic's mean value; the mean value summed over the critics.
    """
    counted = 1 - steps.truncations[:-1]
    values = [_value(critic, steps.state[:-1], steps.actions[:-1]) for critic in critics]
    losses = [0.5 * (counted * (value - targets) ** 2).sum() / jnp.maximum(counted.sum(), 1) for value in values]
    means = [value.mean() for value in values]
    return losses[0] + losses[1], (means[0], means[0] + means[1])


def standard_normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The numbers of `jax.random.normal`, faster on the CPU.

    The loop keeps XLA from fusing the inverse error function with the random generator, where it would take one number
    at a time.

    Args:
        key: a JAX random key.
        shape: of the result.

    Returns:
        Standard normal numbers.
    """
    size = int(np.prod(shape))
    uniform = jax.random.uniform(key, (size,), minval=np.nextafter(np.float32(-1), np.float32(0)))
    normal: jax.Array = np.float32(np.sqrt(2)) * jax.lax.map(jax.lax.erf_inv, uniform, batch_size=4096)
    return normal.reshape(shape)


def out_of_distribution_actions(
    settings: Settings, actions: jax.Array, uniform: jax.Array, noise: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Draw the joint actions whose values CQL pushes down, with their log-densities.

    They come from three distributions alike: uniform, around the current policies' joint action, and around the one
    that they choose in the next step. All critics and all agents share them.

    Args:
        settings: `cql_sigma`.
        actions: (L, B, N, A), the current policies'.
        uniform: (L - 1, B, K, N A) in [-1, 1].
        noise: (L - 1, B, K, N A) standard normal, used around both.

    Returns:
        Joint actions (R, 3 K, N A) and log-densities (R, 3 K), for R = (L - 1) B states.
    """
    size = uniform.shape[-1]
    centres = _joint(actions)[..., None, :]
    current, following = (
        jnp.clip(centre + settings.cql_sigma * noise, -1, 1) for centre in (centres[:-1], centres[1:])
    )
    gaussian = -0.5 * (noise**2).sum(-1) - size * np.log(settings.cql_sigma * np.sqrt(2 * np.pi))
    flat = jnp.full(uniform.shape[:-1], -size * np.log(2.0))
    sampled = jnp.concatenate([uniform, current, following], axis=2)
    densities = jnp.concatenate([flat, gaussian, gaussian], axis=2)
    return sampled.reshape(-1, *sampled.shape[2:]), densities.reshape(-1, densities.shape[-1])


def soft_maximum(critics: list[Layers], state: jax.Array, actions: jax.Array, log_densities: jax.Array) -> jax.Array:
    """CQL's first term: the log-sum-exp of importance-weighted values, summed over states and both critics.

    Derived in chapter 9, eq-cql.

    Args:
        critics: two.
        state: (R, S).
        actions: (R, M, N A).
        log_densities: (R, M).

    Returns:
        The sum, a scalar.
    """
    values = [value_joint_actions(critic, state, actions) for critic in critics]
    return jnp.stack([jax.nn.logsumexp(value - log_densities, axis=-1) for value in values]).sum()


def soft_maximum_gradient(
    critics: list[Layers], state: jax.Array, actions: jax.Array, log_densities: jax.Array
) -> tuple[jax.Array, list[Layers]]:
    """The mean of `soft_maximum` over states and its gradient, a block of states at a time.

    Nearly all of a CQL update's work is here. Blocks of about `OOD_ROWS` joint actions keep every activation, forwards
    and backwards, in the processor's cache; the sum over blocks is the same gradient.

    Args:
        critics: two.
        state: (R, S).
        actions: (R, M, N A).
        log_densities: (R, M).

    Returns:
        The mean, a scalar, and its gradient, of the critics' structure.
    """
    rows = len(state)
    wanted = max(1, OOD_ROWS // actions.shape[1])
    block = max(size for size in range(1, min(wanted, rows) + 1) if rows % size == 0)
    blocks = jax.tree.map(lambda leaf: leaf.reshape(-1, block, *leaf.shape[1:]), (state, actions, log_densities))

    def add(total: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, jax.value_and_grad(soft_maximum)(critics, *part)), None

    zero = (jnp.float32(0), jax.tree.map(jnp.zeros_like, critics))
    total, gradient = jax.lax.scan(add, zero, blocks)[0]
    return total / rows, jax.tree.map(lambda leaf: leaf / rows, gradient)


def policy_values(
    settings: Settings,
    policies: Policies,
    critics: list[Layers],
    steps: Steps,
    partners: str,
    exact: ExactCritic | None = None,
) -> tuple[jax.Array, jax.Array]:
    """The values that the policies climb (chapter 9, eq-brud-states).

    With replayed partners (BRUD), agent i's own action replaces its action in the data and the rest of the joint
    action is the data's; its value is one of N. With current partners all actions are the policies', and the one
    value stands for all agents.

    Args:
        settings: the learner decides between the first critic (BC, as TD3) and the smaller (CQL, as released).
        policies: the current ones.
        critics: two.
        steps: leading axes (L, B).
        partners: "replayed" or "current".
        exact: values instead of the critics' (bridge games).

    Returns:
        Values (L - 1, B, N), or (L - 1, B, 1) with current partners; the policies' actions (L - 1, B, N, A).
    """
    now = _cut(steps, slice(None, -1))
    actions = unroll(policies, now)
    if partners == "replayed":
        agents = actions.shape[-2]
        own = jnp.eye(agents, dtype=bool)[:, :, None]
        joint_actions = _joint(jnp.where(own, actions[:, :, None], now.actions[:, :, None]))
    else:
        joint_actions = _joint(actions)[:, :, None]
    if exact is not None:
        held: Any = jax.lax.stop_gradient(policies)
        state = jnp.broadcast_to(now.state[:, :, None], (*joint_actions.shape[:-1], now.state.shape[-1]))
        return exact(lambda observations: apply_policies(held, observations), state, joint_actions), actions
    used = critics if settings.conservative else critics[:1]
    values = [value_joint_actions(critic, now.state, joint_actions) for critic in used]
    return (jnp.minimum(*values) if len(values) == 2 else values[0]), actions


def policy_loss(
    policies: Policies, settings: Settings, critics: list[Layers], steps: Steps, exact: ExactCritic | None
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Minus the value, plus TD3+BC's clone term or the released action penalty.

    Sums over agents, means over the batch. For BC the value is divided by its mean size, as in TD3+BC
    (chapter 9, eq-bc-loss).

    Args:
        policies: the ones that are improved.
        settings: of the run.
        critics: two.
        steps: leading axes (L, B).
        exact: values instead of the critics' (bridge games).

    Returns:
        The loss; the mean value; the mean distance of the data's joint actions to the policies'.
    """
    values, actions = policy_values(settings, policies, critics, steps, settings.partners, exact)
    replayed = steps.actions[:-1]
    loss = -values.mean((0, 1)).sum()
    if not settings.conservative:
        loss *= settings.value_weight / (jax.lax.stop_gradient(jnp.abs(values).mean()) + 1e-6)
        loss += jnp.square(actions - replayed).mean((0, 1, 3)).sum()
    loss += settings.action_penalty * jnp.square(actions).mean((0, 1, 3)).sum()
    return loss, (values.mean(), jnp.abs(actions - replayed).mean())


# --- Updates --------------------------------------------------------------------------------------------------------


def _key(state: State, purpose: int) -> jax.Array:
    """The random key of the next update: 0 re-scoring, 1 updating, 2 measuring, 3 the policies' own batch."""
    key = jax.random.wrap_key_data(state.key, impl=GENERATOR)
    return jax.random.fold_in(jax.random.fold_in(key, state.updates), purpose)


def update_critics(
    settings: Settings, state: State, steps: Steps, key: jax.Array
) -> tuple[State, dict[str, jax.Array]]:
    """Improve both critics once.

    Args:
        settings: of the run.
        state: before.
        steps: leading axes (L, B).
        key: for target noise and the joint actions of the CQL penalty.

    Returns:
        The state after, and the metrics `critic_loss`, `cql_penalty` and `data_value`.
    """
    target_key, uniform_key, noise_key = jax.random.split(key, 3)
    noise = standard_normal(target_key, steps.actions[1:].shape)
    targets = critic_targets(settings, state.target_policies, state.target_critics, steps, noise)
    penalty = jnp.float32(0)
    if not settings.conservative:
        (loss, (value, _)), gradient = jax.value_and_grad(temporal_difference_loss, has_aux=True)(
            state.critics, steps, targets
        )
    else:
        length, batch = steps.rewards.shape
        size = steps.actions.shape[-2] * steps.actions.shape[-1]
        shape = (length - 1, batch, settings.cql_samples, size)
        uniform = jax.random.uniform(uniform_key, shape, minval=-1.0, maxval=1.0)
        noise = standard_normal(noise_key, shape)
        sampled = out_of_distribution_actions(settings, unroll(state.policies, steps), uniform, noise)
        rows = steps.state[:-1].reshape(-1, steps.state.shape[-1])
        soft, soft_gradient = soft_maximum_gradient(state.critics, rows, *sampled)

        def rest(critics: list[Layers]) -> Any:
            loss, (value, values) = temporal_difference_loss(critics, steps, targets)
            return loss - settings.cql_weight * values, (loss, value, values)

        (_, (loss, value, values)), gradient = jax.value_and_grad(rest, has_aux=True)(state.critics)
        gradient = jax.tree.map(lambda one, other: one + settings.cql_weight * other, gradient, soft_gradient)
        penalty = soft - values
    step, optimiser = _optimisers(settings)[1].update(gradient, state.critic_optimiser)
    state = state._replace(critics=optax.apply_updates(state.critics, step), critic_optimiser=optimiser)
    return state, {"critic_loss": loss, "cql_penalty": penalty, "data_value": value}


def update_policies(
    settings: Settings, state: State, steps: Steps, exact: ExactCritic | None
) -> tuple[State, dict[str, jax.Array]]:
    """Improve the policies once, then move all targets.

    Args:
        settings: of the run.
        state: before.
        steps: leading axes (L, B).
        exact: values instead of the critics' (bridge games).

    Returns:
        The state after, and the metrics `policy_loss`, `policy_value` and `distance`.
    """
    (loss, (value, distance)), gradient = jax.value_and_grad(policy_loss, has_aux=True)(
        state.policies, settings, state.critics, steps, exact
    )
    step, optimiser = _optimisers(settings)[0].update(gradient, state.policy_optimiser)
    policies = optax.apply_updates(state.policies, step)
    state = state._replace(
        policies=policies,
        policy_optimiser=optimiser,
        target_policies=update_targets(state.target_policies, policies, settings.target_rate),
        target_critics=update_targets(state.target_critics, state.critics, settings.target_rate),
    )
    return state, {"policy_loss": loss, "policy_value": value, "distance": distance}


def _update(
    settings: Settings, data: Data, exact: ExactCritic | None, state: State
) -> tuple[State, dict[str, jax.Array]]:
    """`policy_delay` critic updates, each on its own batch, then one policy update on the last batch.

    With priorities for one of the two alone, the policy update draws a batch of its own.
    """
    for_critics = None if settings.prioritised == "policies" else state.priorities
    for_policies = None if settings.prioritised == "critics" else state.priorities

    def improve_critics(state: State, _: None) -> tuple[State, tuple[jax.Array, dict[str, jax.Array]]]:
        batch_key, critic_key = jax.random.split(_key(state, 1))
        starts = _draw(settings, data, for_critics, batch_key)
        measured: dict[str, jax.Array] = {}
        if exact is None:
            state, measured = update_critics(settings, state, replay.take(data, starts, settings.window), critic_key)
        return state._replace(updates=state.updates + 1), (starts, measured)

    state, (starts, metrics) = jax.lax.scan(improve_critics, state, length=settings.policy_delay)
    own = starts[-1]
    if settings.prioritised != "both":
        own = _draw(settings, data, for_policies, _key(state, 3))
    state, measured = update_policies(settings, state, replay.take(data, own, settings.window), exact)
    return state, {name: values.mean() for name, values in metrics.items()} | measured


def train(
    settings: Settings, state: State, data: Data, updates: int, exact_critic: ExactCritic | None = None
) -> tuple[State, dict[str, float]]:
    """Train, in one compiled loop.

    The result depends on the state alone: two calls of 500 updates end exactly where one call of 1000 ends.

    Args:
        settings: those that the state was made with.
        state: before; it stays as it is.
        data: the dataset that the state was made with.
        updates: critic updates to do, a multiple of `refresh_every`. The first call compiles (seconds).
        exact_critic: the true values, where they are known (bridge games): used in the critics' place, which then
            do not learn. The dataset must not be normalised.

    Returns:
        The state after, and the metrics that the module's docstring lists.

    Raises:
        ValueError: if `updates` is not such a multiple, an exact critic is asked of normalised states or of a
            recurrent learner, or the data are normalised where the settings say otherwise.
        FloatingPointError: if training has diverged to NaN or infinity.
    """
    _require_normalised(settings, data)
    if updates < 1 or updates % settings.refresh_every:
        raise ValueError(
            f"updates must be a positive multiple of refresh_every = {settings.refresh_every}, got {updates}"
        )
    if exact_critic is not None and (settings.normalise or settings.recurrent):
        raise ValueError(
            "an exact critic needs a feed-forward learner and normalise=False: it knows states as they are"
        )
    state, measured = _train(settings, state, data, updates // settings.refresh_every, exact_critic)
    metrics = {name: float(value) for name, value in measured.items()}
    if not all(np.isfinite(value) for value in metrics.values()):
        raise FloatingPointError(f"training has diverged by update {int(state.updates)}: {metrics}")
    return state, metrics


@partial(jax.jit, static_argnames=("settings", "exact"))
def _train(
    settings: Settings, state: State, data: Data, blocks: int, exact: ExactCritic | None
) -> tuple[State, dict[str, jax.Array]]:
    """Re-score, then do `refresh_every` updates, `blocks` times; how often is not compiled in."""

    def block(state: State) -> tuple[State, dict[str, jax.Array]]:
        state = state._replace(priorities=_refresh(settings, data, state))
        turns = settings.refresh_every // settings.policy_delay
        state, metrics = jax.lax.scan(lambda state, _: _update(settings, data, exact, state), state, length=turns)
        return state, {name: values.mean() for name, values in metrics.items()}

    def add(_: Any, carry: tuple[State, dict[str, jax.Array]]) -> tuple[State, dict[str, jax.Array]]:
        state, metrics = block(carry[0])
        return state, jax.tree.map(jnp.add, carry[1], metrics)

    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(block, state)[1])
    state, sums = jax.lax.fori_loop(0, blocks, add, (state, nothing))
    return state, {name: total / blocks for name, total in sums.items()} | _measure(settings, data, state, exact)


def _measure(settings: Settings, data: Data, state: State, exact: ExactCritic | None) -> dict[str, jax.Array]:
    """The metrics that are taken once, at the end of a `train` call."""
    own_key, uniform_key = jax.random.split(_key(state, 2))
    for_policies = None if settings.prioritised == "critics" else state.priorities
    batches = jnp.stack(
        [_draw(settings, data, for_policies, own_key), _draw(settings, data, None, uniform_key)],
    )
    own, uniform = jax.lax.map(
        lambda starts: gradient_cosine(settings, state, replay.take(data, starts, settings.window), exact), batches
    )
    spread = replay.draw_uniform(uniform_key, 4096, replay.items(data, settings.window))
    distance = jax.lax.map(lambda items: score(settings, data, state.policies, items).mean(), spread.reshape(-1, 64))
    measured = {"gradient_cosine": own, "gradient_cosine_uniform": uniform, "distance_uniform": distance.mean()}
    if state.priorities is None:
        return measured | {"effective_sample_size": jnp.float32(1), "steepness": jnp.float32(0)}
    weights = replay.leaf_weights(state.priorities)
    fraction = effective_sample_size(weights) / len(weights)
    return measured | {"effective_sample_size": fraction, "steepness": state.priorities.steepness}


def gradient_cosine(settings: Settings, state: State, steps: Steps, exact: ExactCritic | None = None) -> jax.Array:
    """The cosine between the value's policy gradients with replayed and with current partners, on one batch.

    Reported in chapter 10.

    Args:
        settings: of the run.
        state: whose policies and critics are used.
        steps: leading axes (L, B).
        exact: values instead of the critics' (bridge games).

    Returns:
        In [-1, 1], a scalar.
    """

    def gradient(partners: str) -> jax.Array:
        def value(policies: Policies) -> jax.Array:
            return policy_values(settings, policies, state.critics, steps, partners, exact)[0].mean((0, 1)).sum()

        leaves = jax.tree.leaves(jax.grad(value)(state.policies))
        return jnp.concatenate([leaf.ravel() for leaf in leaves])

    replayed, current = gradient("replayed"), gradient("current")
    return replayed @ current / jnp.maximum(jnp.linalg.norm(replayed) * jnp.linalg.norm(current), 1e-12)


# --- Acting ---------------------------------------------------------------------------------------------------------


class Policy(NamedTuple):
    """What is needed to act: the networks, and the mean and scale (N, O) of the observations they learnt from.

    Attributes:
        networks: feed-forward, one for each agent, or one recurrent network for all.
        observation_mean: (N, O) subtracted from observations.
        observation_scale: (N, O) that then divides them.
    """

    networks: Any
    observation_mean: jax.Array
    observation_scale: jax.Array


def policy_of(state: State, data: Data) -> Policy:
    """Take the policy out of a training state.

    Args:
        state: of a run.
        data: the dataset that it learns from.

    Returns:
        The policy, with the normalisation that it learnt under.
    """
    return Policy(state.policies, data.observation_mean, data.observation_scale)


def empty_memory(policy: Policy, copies: int) -> jax.Array:
    """The memory (copies, N, H) at the start of an episode; H is 0 for feed-forward policies.

    Args:
        policy: see `policy_of`.
        copies: E, of the environment.

    Returns:
        (E, N, H) zeros.
    """
    recurrent = isinstance(policy.networks, dict)
    size = policy.networks["output"]["weight"].shape[0] if recurrent else 0
    return jnp.zeros((copies, policy.observation_mean.shape[0], size))


@jax.jit
def act(policy: Policy, observations: Any, memory: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Act in many copies of an environment at once.

    Args:
        policy: see `policy_of`.
        observations: (E, N, O), as the environment gives them.
        memory: (E, N, H), from `empty_memory` or the step before; set the rows of copies that were reset to zero.

    Returns:
        (E, N, A) actions in [-1, 1], and the next memory.
    """
    observations = (jnp.asarray(observations, jnp.float32) - policy.observation_mean) / policy.observation_scale
    if isinstance(policy.networks, dict):
        return step_recurrent(policy.networks, observations, memory)
    return apply_policies(policy.networks, observations), memory


def evaluate(policy: Policy, environment: Any) -> NDArray[Any]:
    """Run one episode in every copy of an environment, without exploration.

    Args:
        policy: see `policy_of`.
        environment: `environment.Environment`, or a bridge game's: it is reset first.

    Returns:
        (E,) returns.
    """
    environment.reset(np.ones(len(environment.observations), bool))
    returns, running = np.zeros(len(environment.observations)), np.ones(len(environment.observations), bool)
    memory = empty_memory(policy, len(returns))
    while running.any():
        actions, memory = act(policy, environment.observations, memory)
        rewards, terminals, truncations = environment.step(np.asarray(actions))
        returns += running * rewards
        running &= ~(terminals | truncations)
    return returns


# --- Files ----------------------------------------------------------------------------------------------------------


def save(path: str | Path, settings: Settings, state: State) -> None:
    """Write a training state, whole or not at all.

    Args:
        path: of the file, an `.npz` that loads without pickle.
        settings: stored with it.
        state: to continue from.

    Raises:
        OSError: if the file cannot be written; an older file of that name is still whole then.
    """
    arrays = {"settings": np.array(json.dumps(asdict(settings))), **name_leaves(state)}
    write_atomically(Path(path), to_npz(arrays))


def load(path: str | Path, settings: Settings, data: Data) -> State:
    """Read a training state that `save` wrote.

    Args:
        path: of the file.
        settings: of the run that is to be continued.
        data: its dataset.

    Returns:
        The state, to go on with.

    Raises:
        ValueError: if there is no such file, it is damaged, or it was saved with other settings or for a dataset of
            other shapes.
    """
    stored = read_npz(Path(path))
    try:
        saved_settings = json.loads(str(stored["settings"]))
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} is not a training state: delete it and start again ({error!r})") from error
    wanted_settings = asdict(settings)
    differing = [name for name in wanted_settings if saved_settings.get(name) != wanted_settings[name]]
    if differing:
        differences = ", ".join(
            f"{name} {saved_settings.get(name)!r} -> {wanted_settings[name]!r}" for name in differing
        )
        raise ValueError(f"{path} was saved with other settings ({differences}): use those, or another file")
    key = jax.random.key_data(jax.random.key(0, impl=GENERATOR))
    template = jax.eval_shape(partial(_init, settings), data, key)
    state: State = jax.tree.map(jnp.asarray, fill_leaves(template, stored, Path(path)))
    return state
