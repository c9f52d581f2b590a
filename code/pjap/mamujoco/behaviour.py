"""Behaviour teams: MATD3, trained online from nothing.

MATD3 is TD3 (Fujimoto and Gu's twin critics, target noise and delayed policies) for several agents: each policy sees
its own observation, both critics see the state and the joint action. Here the agents share one reward, so one pair of
critics serves them all, and every policy is improved against its partners' *current* actions: the data is the team's
own and recent, so stale partners, the subject of the book, are no danger. Introduced in chapter 9.
"""

import json
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray
from tqdm import tqdm

from pjap.files import read_npz, require_writable, to_npz, write_atomically
from pjap.mamujoco.environment import Environment, Layout, make_library_environment, read_layout
from pjap.mamujoco.networks import (
    Layers,
    apply_critic,
    apply_policies,
    fill_leaves,
    init_critics,
    init_policies,
    name_leaves,
    update_targets,
)

SHIPPED_TEAMS = Path(__file__).parent / "teams"
FINAL_EPISODES = 50


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides what a training run computes.

    Attributes:
        scenario: which task.
        seed: decides initial parameters, reset states, exploration and batches.
        transitions: environment steps to take, over all copies.
        copies: environment copies stepped at once.
        width: units in each of the two hidden layers of policies and critics.
        updates_per_step: critic updates after each step of all copies; a multiple of `policy_delay`.
        batch_size: transitions in a batch.
        learning_rate: Adam's, of policies and critics.
        discount: gamma.
        target_rate: Polyak averaging of the target networks, each policy update.
        policy_delay: critic updates for one policy update.
        exploration_noise: standard deviation of the Gaussian added to actions.
        target_noise: standard deviation of the Gaussian that smooths target actions.
        target_noise_clip: its bound.
        random_transitions: how long to act uniformly at random before learning starts.
        replay_capacity: transitions remembered.
        evaluate_every: transitions between two evaluations, each of which keeps a snapshot of the policies.
        medium_fraction: the Medium team is the first snapshot whose return reaches this fraction of the Good one's.
    """

    scenario: str = "2halfcheetah"
    seed: int = 0
    transitions: int = 1_200_000
    copies: int = 64
    width: int = 128
    updates_per_step: int = 16
    batch_size: int = 64
    learning_rate: float = 5e-4
    discount: float = 0.99
    target_rate: float = 0.005
    policy_delay: int = 2
    exploration_noise: float = 0.2
    target_noise: float = 0.2
    target_noise_clip: float = 0.5
    random_transitions: int = 10_000
    replay_capacity: int = 1_000_000
    evaluate_every: int = 50_000
    medium_fraction: float = 0.4

    def __post_init__(self) -> None:
        sizes = ("transitions", "random_transitions", "replay_capacity", "copies", "width", "batch_size")
        for name in (*sizes, "updates_per_step", "policy_delay", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("exploration_noise", "target_noise", "target_noise_clip"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be a finite number of at least 0, got {getattr(self, name)}")
        for name in ("target_rate", "medium_fraction"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in (0, 1], got {getattr(self, name)}")
        if not 0 < self.learning_rate < np.inf:
            raise ValueError(f"learning_rate must be a finite number above 0, got {self.learning_rate}")
        if not 0 <= self.discount < 1:
            raise ValueError(f"discount must be in [0, 1), got {self.discount}")
        if not 0 <= self.seed < 2**32:  # JAX makes the same key of seeds that differ by 2**32
            raise ValueError(f"seed must be in [0, 2**32), got {self.seed}")
        if self.updates_per_step % self.policy_delay:
            raise ValueError(
                f"updates_per_step must be a multiple of policy_delay, got {self.updates_per_step} and "
                f"{self.policy_delay}"
            )
        if self.replay_capacity < self.copies:
            raise ValueError(f"replay_capacity must hold at least one step of all {self.copies} copies")


class Learner(NamedTuple):
    """What an update changes.

    Attributes:
        policies: one for each agent.
        critics: the pair.
        target_policies: Polyak averages of the policies.
        target_critics: likewise of the critics.
        policy_optimiser: Adam's state.
        critic_optimiser: likewise.
    """

    policies: list[Layers]
    critics: list[Layers]
    target_policies: list[Layers]
    target_critics: list[Layers]
    policy_optimiser: Any
    critic_optimiser: Any


class Batch(NamedTuple):
    """Transitions: states (..., S), actions (..., N, A), rewards and terminals (...,), next states (..., S).

    Attributes:
        state: (..., S) before the actions.
        actions: (..., N, A).
        rewards: (...) shared by the agents.
        terminals: (...) 1 where the episode ended for good.
        next_state: (..., S) after the actions.
    """

    state: jax.Array
    actions: jax.Array
    rewards: jax.Array
    terminals: jax.Array
    next_state: jax.Array


def init_learner(key: jax.Array, layout: Layout, settings: TrainingSettings) -> Learner:
    """Draw the networks; targets start as copies.

    Args:
        key: a JAX random key.
        layout: gives the networks' sizes.
        settings: width and learning rate.

    Returns:
        The learner before its first update.
    """
    policy_key, critic_key = jax.random.split(key)
    policies = init_policies(policy_key, layout.agents, layout.observation_size, layout.action_size, settings.width)
    critics = init_critics(critic_key, layout.state_size, layout.agents * layout.action_size, settings.width)
    optimiser = optax.adam(settings.learning_rate)
    targets = jax.tree.map(jnp.copy, policies), jax.tree.map(jnp.copy, critics)
    return Learner(policies, critics, targets[0], targets[1], optimiser.init(policies), optimiser.init(critics))


def critic_loss(
    critics: list[Layers], learner: Learner, batch: Batch, noise: jax.Array, observed: Any, settings: TrainingSettings
) -> jax.Array:
    """Squared distance of both critics to TD3's target: the smaller target value of a smoothed target action.

    Args:
        critics: the pair that is improved.
        learner: holds the target networks.
        batch: B transitions.
        noise: (B, N, A) standard normal.
        observed: (N, O) see `Layout`.
        settings: discount and target noise.

    Returns:
        The loss, a scalar.
    """
    smoothing = jnp.clip(settings.target_noise * noise, -settings.target_noise_clip, settings.target_noise_clip)
    next_actions = apply_policies(learner.target_policies, take_observations(batch.next_state, observed))
    next_actions = jnp.clip(next_actions + smoothing, -1, 1)
    next_values = [apply_critic(critic, batch.next_state, next_actions) for critic in learner.target_critics]
    targets = batch.rewards + settings.discount * (1 - batch.terminals) * jnp.minimum(*next_values)
    targets = jax.lax.stop_gradient(targets)
    values = jnp.stack([apply_critic(critic, batch.state, batch.actions) for critic in critics])
    return jnp.square(values - targets).mean(axis=1).sum()


def policy_loss(policies: list[Layers], learner: Learner, state: jax.Array, observed: Any) -> jax.Array:
    """Minus the first critic's value of the team's current joint action.

    Args:
        policies: the ones that are improved.
        learner: holds the critics.
        state: (B, S).
        observed: (N, O) see `Layout`.

    Returns:
        The loss, a scalar.
    """
    actions = apply_policies(policies, take_observations(state, observed))
    return -apply_critic(learner.critics[0], state, actions).mean()


def take_observations(state: jax.Array, observed: Any) -> jax.Array:
    """Take every agent's observation out of the state, on the device; see `environment.observe`.

    Args:
        state: (..., S).
        observed: (N, O) see `Layout`.

    Returns:
        (..., N, O) observations.
    """
    padded = jnp.concatenate([state, jnp.zeros_like(state[..., :1])], axis=-1)
    return padded[..., observed]


def update(
    learner: Learner, batches: Batch, key: jax.Array, observed: Any, settings: TrainingSettings
) -> tuple[Learner, jax.Array]:
    """One delayed update: `policy_delay` critic updates, then the policies and all targets once.

    Args:
        learner: before.
        batches: (policy_delay, B, ...) transitions.
        key: for the target noise.
        observed: (N, O) see `Layout`.
        settings: see there.

    Returns:
        The learner after, and the mean critic loss.
    """
    optimiser = optax.adam(settings.learning_rate)
    noise = jax.random.normal(key, batches.actions.shape)
    losses = []
    for turn in range(settings.policy_delay):
        batch = jax.tree.map(lambda leaf, turn=turn: leaf[turn], batches)
        loss, gradient = jax.value_and_grad(critic_loss)(
            learner.critics, learner, batch, noise[turn], observed, settings
        )
        step, critic_optimiser = optimiser.update(gradient, learner.critic_optimiser)
        learner = learner._replace(
            critics=optax.apply_updates(learner.critics, step), critic_optimiser=critic_optimiser
        )
        losses.append(loss)
    gradient = jax.grad(policy_loss)(learner.policies, learner, batch.state, observed)
    step, policy_optimiser = optimiser.update(gradient, learner.policy_optimiser)
    policies = optax.apply_updates(learner.policies, step)
    learner = learner._replace(
        policies=policies,
        policy_optimiser=policy_optimiser,
        target_policies=update_targets(learner.target_policies, policies, settings.target_rate),
        target_critics=update_targets(learner.target_critics, learner.critics, settings.target_rate),
    )
    return learner, jnp.stack(losses).mean()


def make_learn_and_act(
    layout: Layout, settings: TrainingSettings
) -> Callable[[Learner, Any, Any, jax.Array], tuple[Learner, jax.Array, jax.Array]]:
    """Compile all updates between two environment steps, and the next exploring action, into one call.

    Args:
        layout: who sees and moves what.
        settings: of the run.

    Returns:
        A function of the learner, rows of the replay memory (updates_per_step x B, see `pack`), states (E, S) and a
        key, that returns the learner after, actions (E, N, A), and the mean critic loss.
    """
    observed = jnp.asarray(layout.observed)
    groups = settings.updates_per_step // settings.policy_delay

    @partial(jax.jit, donate_argnums=0)
    def learn_and_act(
        learner: Learner, rows: jax.Array, state: jax.Array, key: jax.Array
    ) -> tuple[Learner, jax.Array, jax.Array]:
        act_key, *update_keys = jax.random.split(key, groups + 1)
        batches = unpack(rows.reshape(groups, settings.policy_delay, settings.batch_size, -1), layout)
        learner, losses = jax.lax.scan(
            lambda carry, turn: update(carry, *turn, observed, settings), learner, (batches, jnp.stack(update_keys))
        )
        actions = apply_policies(learner.policies, take_observations(state, observed))
        noise = settings.exploration_noise * jax.random.normal(act_key, actions.shape)
        return learner, jnp.clip(actions + noise, -1, 1), losses.mean()

    return learn_and_act


def pack(state: Any, actions: Any, rewards: Any, terminals: Any, next_state: Any) -> NDArray[np.float32]:
    """Write transitions as rows, so that the replay memory is one array.

    Args:
        state: (E, S) before the actions.
        actions: (E, N, A).
        rewards: (E,).
        terminals: (E,).
        next_state: (E, S).

    Returns:
        (E, S + N A + 1 + 1 + S) float32.
    """
    columns = [state, actions.reshape(len(actions), -1), rewards[:, None], terminals[:, None], next_state]
    return np.concatenate(columns, axis=1, dtype=np.float32)


def unpack(rows: jax.Array, layout: Layout) -> Batch:
    """Read rows of the replay memory; the reverse of `pack`.

    Args:
        rows: (..., S + N A + 1 + 1 + S), what `pack` returns.
        layout: gives S, N and A.

    Returns:
        The transitions, with the leading axes of the rows.
    """
    S, joint = layout.state_size, layout.agents * layout.action_size
    state, actions, rewards, terminals, next_state = jnp.split(rows, [S, S + joint, S + joint + 1, S + joint + 2], -1)
    actions = actions.reshape(*actions.shape[:-1], layout.agents, layout.action_size)
    return Batch(state, actions, rewards[..., 0], terminals[..., 0], next_state)


act = jax.jit(apply_policies)


def evaluate(
    policies: list[Layers], scenario: str, episodes: int, seed: int, noise: float = 0.0, bar: Any = None
) -> NDArray[Any]:
    """Run a team for whole episodes.

    Args:
        policies: one for each agent.
        scenario: which task.
        episodes: one environment copy each.
        seed: of reset states and noise.
        noise: standard deviation of Gaussian action noise, clipped to the action range.
        bar: a progress bar to update, by one for each episode that ends.

    Returns:
        (episodes,) returns.
    """
    environment = Environment(scenario, episodes, seed, threads=1)
    rng = np.random.default_rng(seed)
    returns, running = np.zeros(episodes), np.ones(episodes, bool)
    while running.any():
        actions = np.asarray(act(policies, environment.observations.astype(np.float32)))
        actions = np.clip(actions + noise * rng.standard_normal(actions.shape), -1, 1)
        rewards, terminals, truncations = environment.step(actions)
        returns += running * rewards
        ended = running & (terminals | truncations)
        running &= ~ended
        if bar is not None:
            bar.update(int(ended.sum()))
    return returns


@dataclass
class Run:
    """A training run between two environment steps: everything that the rest of it depends on.

    Attributes:
        settings: see there.
        environment: the copies.
        learner: the networks.
        replay: (capacity, row) see `pack`.
        rng: draws random actions and batches.
        taken: transitions so far.
        seconds: wall time so far, over all sittings.
        log: one entry for each evaluation.
        snapshots: the policies at each evaluation.
    """

    settings: TrainingSettings
    environment: Environment
    learner: Learner
    replay: NDArray[np.float32]
    rng: np.random.Generator
    taken: int
    seconds: float
    log: list[dict[str, Any]]
    snapshots: list[list[Layers]]


def start_run(settings: TrainingSettings) -> Run:
    """Set a training run up at its beginning.

    Args:
        settings: of the run.

    Returns:
        The run, with no transition taken.
    """
    environment = Environment(settings.scenario, settings.copies, settings.seed, threads=1)
    layout = environment.layout
    learner = init_learner(jax.random.key(settings.seed), layout, settings)
    row = 2 * layout.state_size + layout.agents * layout.action_size + 2
    replay = np.zeros((settings.replay_capacity, row), np.float32)
    return Run(settings, environment, learner, replay, np.random.default_rng(settings.seed), 0, 0.0, [], [])


def advance(run: Run, learn_and_act: Callable[..., Any]) -> float:
    """Learn, act, and remember one step of every copy.

    Args:
        run: is changed: a step further after the call.
        learn_and_act: what `make_learn_and_act` returns.

    Returns:
        The mean critic loss, NaN while acting at random.
    """
    settings, environment = run.settings, run.environment
    loss = np.nan
    if run.taken < settings.random_transitions:
        actions = run.rng.uniform(-1, 1, (settings.copies, *environment.layout.actuators.shape))
    else:
        remembered = min(run.taken, settings.replay_capacity)
        chosen = run.rng.integers(0, remembered, settings.updates_per_step * settings.batch_size)
        key = jax.random.fold_in(jax.random.key(settings.seed), run.taken)
        run.learner, exploring, loss = learn_and_act(
            run.learner, run.replay[chosen], environment.state.astype(np.float32), key
        )
        actions = np.asarray(exploring)
    state = environment.state
    rewards, terminals, truncations = environment.step(actions)
    rows = (run.taken + np.arange(settings.copies)) % settings.replay_capacity
    # A truncated episode could have gone on, so its last value is bootstrapped: only terminals are remembered.
    run.replay[rows] = pack(state, actions, rewards, terminals, environment.state)
    environment.reset(terminals | truncations)
    run.taken += settings.copies
    return float(loss)


def train(settings: TrainingSettings, out: Path, checkpoint: Path, command: str = "") -> tuple[Path, Path]:
    """Train a team, from the checkpoint if there is one, and write its Good and its Medium version.

    Ctrl-C ends the run after a checkpoint; the same call then continues it, with the same result as if it had never
    been interrupted.

    Args:
        settings: see there.
        out: folder for the teams, `{scenario}-good-{seed}` and `{scenario}-medium-{seed}`.
        checkpoint: file to continue from and to save to.
        command: how the run was started, for the record.

    Returns:
        The paths of the two teams' weights.

    Raises:
        ValueError: if the checkpoint is of other settings, or no snapshot is good enough for `write_teams`.
        OSError: if a folder cannot be written to; before training starts.
        KeyboardInterrupt: after Ctrl-C.
    """
    for folder in (out, checkpoint.parent):
        require_writable(folder)
    run = load_checkpoint(checkpoint, settings) if checkpoint.exists() else start_run(settings)
    learn_and_act = make_learn_and_act(run.environment.layout, settings)
    bar = tqdm(total=settings.transitions, initial=run.taken, unit=" transitions", unit_scale=True, mininterval=1)
    with bar, interruptible() as interrupted:
        while run.taken < settings.transitions:
            sitting = time.monotonic()
            loss = advance(run, learn_and_act)
            bar.update(settings.copies)
            due = run.taken // settings.evaluate_every > (run.taken - settings.copies) // settings.evaluate_every
            if due or run.taken >= settings.transitions:
                take_snapshot(run, loss, run.seconds + time.monotonic() - sitting)
                bar.set_postfix({"return": f"{run.log[-1]['return_mean']:.0f}"})
            run.seconds += time.monotonic() - sitting
            if interrupted():
                save_checkpoint(run, checkpoint)
                raise KeyboardInterrupt(f"stopped after {run.taken} transitions; the same command continues")
            if due and len(run.log) % 5 == 0:
                save_checkpoint(run, checkpoint)
    save_checkpoint(run, checkpoint)  # what follows plays hundreds of episodes
    paths = write_teams(run, out, command)
    checkpoint.unlink(missing_ok=True)
    return paths


def take_snapshot(run: Run, loss: float, seconds: float) -> None:
    """Evaluate the team without noise, and keep its policies.

    Args:
        run: is changed: one more entry in `log` and in `snapshots`.
        loss: the critic loss to log, NaN before there is one.
        seconds: the wall time to log.
    """
    returns = evaluate(run.learner.policies, run.settings.scenario, episodes=8, seed=run.settings.seed)
    known = loss if np.isfinite(loss) else None  # JSON has no NaN
    entry = {"transitions": run.taken, "seconds": round(seconds, 1), "critic_loss": known}
    run.log.append({**entry, "return_mean": float(returns.mean()), "return_std": float(returns.std())})
    run.snapshots.append(jax.tree.map(np.array, run.learner.policies))


def write_teams(run: Run, out: Path, command: str) -> tuple[Path, Path]:
    """Choose the Good and the Medium snapshot, evaluate them afresh, and write them with their provenance.

    Args:
        run: a finished run.
        out: the folder to write to.
        command: how the run was started, for the record.

    Returns:
        The paths of the Good and the Medium team's weights.

    Raises:
        ValueError: if no snapshot has a mean return above 0, of which the Medium one's could be a fraction.
    """
    settings = run.settings
    means = np.array([entry["return_mean"] for entry in run.log])
    good = int(means.argmax())
    if not means[good] > 0:
        raise ValueError(f"no snapshot has a mean return above 0, the best has {means[good]:.1f}: train longer")
    medium = int(np.argmax(means >= settings.medium_fraction * means[good]))
    paths = []
    with tqdm(total=4 * FINAL_EPISODES, desc="final evaluation", unit=" episodes") as bar:
        for kind, chosen in (("good", good), ("medium", medium)):
            policies, name = run.snapshots[chosen], f"{settings.scenario}-{kind}-{settings.seed}"
            provenance = {
                "team": name,
                "scenario": settings.scenario,
                "command": command,
                "settings": asdict(settings),
                "snapshot_transitions": run.log[chosen]["transitions"],
                "run_seconds": round(run.seconds, 1),
                "versions": {package: version(package) for package in ("jax", "mujoco", "gymnasium-robotics", "numpy")},
                "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
                # Other seeds than the ones that chose the snapshot: the best of many evaluations flatters.
                "evaluation": describe_returns(
                    evaluate(policies, settings.scenario, FINAL_EPISODES, settings.seed + 1000, bar=bar)
                ),
                "evaluation_with_noise_0.2": describe_returns(
                    evaluate(policies, settings.scenario, FINAL_EPISODES, settings.seed + 2000, noise=0.2, bar=bar)
                ),
                "log": run.log,
            }
            paths.append(save_team(out / f"{name}.npz", policies, provenance))
    return paths[0], paths[1]


def describe_returns(returns: NDArray[Any]) -> dict[str, float]:
    """Summarise episode returns: number, mean, standard deviation, smallest and largest.

    Args:
        returns: (episodes,).

    Returns:
        `episodes`, `mean`, `std`, `min` and `max`, rounded to two decimals.
    """
    return {
        "episodes": len(returns),
        "mean": round(float(returns.mean()), 2),
        "std": round(float(returns.std()), 2),
        "min": round(float(returns.min()), 2),
        "max": round(float(returns.max()), 2),
    }


# Files


def save_checkpoint(run: Run, path: Path) -> None:
    """Write a run so that `load_checkpoint` continues it bit for bit.

    Args:
        run: between two steps.
        path: of the file.

    Raises:
        OSError: if the file cannot be written; an older file of that name is still whole then.
    """
    environment = run.environment.save()
    about = {
        "settings": asdict(run.settings),
        "streams": environment["streams"],
        "rng": run.rng.bit_generator.state,
        "taken": run.taken,
        "seconds": run.seconds,
        "log": run.log,
    }
    arrays = {f"learner/{name}": leaf for name, leaf in name_leaves(run.learner).items()}
    for number, policies in enumerate(run.snapshots):
        arrays |= {f"snapshot/{number}/{name}": leaf for name, leaf in name_leaves(policies).items()}
    arrays |= {"physics": environment["physics"], "elapsed": environment["elapsed"]}
    arrays |= {"replay": run.replay[: run.taken], "about": np.array(json.dumps(about))}
    write_atomically(path, to_npz(arrays))


def load_checkpoint(path: Path, settings: TrainingSettings) -> Run:
    """Read a run written by `save_checkpoint`.

    Args:
        path: of the file.
        settings: those that the run must have.

    Returns:
        The run, to go on with.

    Raises:
        ValueError: if the file is damaged, of other settings, or of other shapes.
    """
    arrays = read_npz(path)
    if "about" not in arrays:
        raise ValueError(f"{path} is not a checkpoint: delete it to start anew")
    about = json.loads(str(arrays["about"]))
    wanted = asdict(settings)
    other = [
        f"{name} {about['settings'].get(name)} (now {wanted[name]})"
        for name in wanted
        if about["settings"].get(name) != wanted[name]
    ]
    if other:
        raise ValueError(
            f"{path} is of a run with {', '.join(other)}: use its settings to continue it, or delete it to start anew"
        )
    run = start_run(settings)
    run.learner = jax.tree.map(jnp.asarray, fill_leaves(run.learner, arrays, path, "learner/"))
    run.environment.restore({"physics": arrays["physics"], "elapsed": arrays["elapsed"], "streams": about["streams"]})
    run.replay[: len(arrays["replay"])] = arrays["replay"]
    run.rng.bit_generator.state = about["rng"]
    run.taken, run.seconds, run.log = about["taken"], about["seconds"], about["log"]
    run.snapshots = [
        fill_leaves(run.learner.policies, arrays, path, f"snapshot/{number}/") for number in range(len(run.log))
    ]
    return run


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C into a question that a loop asks when it is ready to stop.

    Yields:
        A function: has Ctrl-C been pressed?
    """
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    usual = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, usual)


# Teams


@dataclass(frozen=True)
class Team:
    """Trained policies, one for each agent, and where they come from.

    Attributes:
        name: such as "2halfcheetah-good-0".
        scenario: the task that it was trained for.
        policies: N policies.
        provenance: command, settings, versions, wall time, evaluation returns and training log.
    """

    name: str
    scenario: str
    policies: list[Layers]
    provenance: dict[str, Any]


def save_team(path: Path, policies: list[Layers], provenance: dict[str, Any]) -> Path:
    """Write a team's weights as `.npz` and its provenance as `.json` beside it; the weights last.

    Args:
        path: of the weights, ending in `.npz`.
        policies: one for each agent.
        provenance: anything that JSON holds.

    Returns:
        The path of the weights.

    Raises:
        OSError: if a file cannot be written.
    """
    write_atomically(path.with_suffix(".json"), (json.dumps(provenance, indent=1) + "\n").encode())
    write_atomically(path, to_npz(name_leaves(policies)))
    return path


def list_teams(scenario: str) -> list[str]:
    """Name the teams of a scenario that ship with the package.

    Args:
        scenario: a key of `SCENARIOS`.

    Returns:
        Their names, sorted.
    """
    return sorted(path.stem for path in SHIPPED_TEAMS.glob(f"{scenario}-*.npz"))


def load_team(team: str | Path) -> Team:
    """Read a team.

    Args:
        team: the name of a shipped team, or the path of an `.npz` file with its `.json` beside it.

    Returns:
        The team, with its provenance.

    Raises:
        ValueError: if there is no such team, or its weights do not fit its scenario.
    """
    path = Path(team) if Path(team).suffix == ".npz" else SHIPPED_TEAMS / f"{team}.npz"
    record = path.with_suffix(".json")
    if not path.exists() or not record.exists():
        shipped = ", ".join(sorted(found.stem for found in SHIPPED_TEAMS.glob("*.npz"))) or "none"
        raise ValueError(
            f"there is no team {str(team)!r}: give the path of its .npz, or one of those shipped: {shipped}"
        )
    try:
        provenance = json.loads(record.read_text())
        scenario, width = provenance["scenario"], provenance["settings"]["width"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{record} is not the provenance of a team ({error!r}): it belongs to {path.name}") from error
    layout = read_layout(make_library_environment(scenario))
    sizes = (layout.agents, layout.observation_size, layout.action_size, width)
    shapes = jax.eval_shape(lambda: init_policies(jax.random.key(0), *sizes))
    policies = jax.tree.map(jnp.asarray, fill_leaves(shapes, read_npz(path), path))
    return Team(path.stem, provenance["scenario"], policies, provenance)
