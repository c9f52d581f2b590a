"""Many copies of a MAMuJoCo task, stepped at once.

A copy is one `mujoco.MjData`; all copies share one model and are stepped by a small pool of threads, because
`mj_step` releases Python's lock. Observations, state, rewards, termination and truncation equal those of
Gymnasium-Robotics' `mamujoco_v1` with `agent_obsk=1`: bit for bit, as long as each copy keeps its own solver warm
start, which is why a copy is never rebuilt from positions and velocities between two steps. Introduced in chapter 9.
"""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

EPISODE_LENGTH = 1000

POSITION_AND_VELOCITY = int(mujoco.mjtState.mjSTATE_QPOS | mujoco.mjtState.mjSTATE_QVEL)
# Everything that the next step depends on: time, positions, velocities, the solver's warm start, controls.
INTEGRATION_STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)


@dataclass(frozen=True)
class Scenario:
    """A robot, its division among agents, and its reward: x-velocity + healthy reward - control cost.

    The numbers are the defaults of Gymnasium's environments of version 5; the tests compare both step by step.

    Attributes:
        robot: Gymnasium-Robotics' name of it.
        partition: its division among agents, as `agent_conf` there.
        control_cost: price of the sum of squared controls.
        reset_noise: size of the noise of a reset.
        normal_reset_velocity: whether reset velocities are Gaussian rather than uniform.
        velocity_limit: bound of the velocities in the state.
        healthy_reward: for every step that the robot has not fallen.
        lowest_healthy_height: below it the robot has fallen.
        largest_healthy_angle: above it the robot has fallen.
        largest_healthy_coordinate: above it, in any coordinate of the state, the robot has fallen.
    """

    robot: str
    partition: str
    control_cost: float
    reset_noise: float
    normal_reset_velocity: bool
    velocity_limit: float = np.inf
    healthy_reward: float = 0.0
    lowest_healthy_height: float = -np.inf
    largest_healthy_angle: float = np.inf
    largest_healthy_coordinate: float = np.inf


SCENARIOS = {
    "2halfcheetah": Scenario("HalfCheetah", "2x3", 0.1, 0.1, normal_reset_velocity=True),
    "6halfcheetah": Scenario("HalfCheetah", "6x1", 0.1, 0.1, normal_reset_velocity=True),
    "3hopper": Scenario(
        "Hopper",
        "3x1",
        control_cost=1e-3,
        reset_noise=5e-3,
        normal_reset_velocity=False,
        velocity_limit=10.0,
        healthy_reward=1.0,
        lowest_healthy_height=0.7,
        largest_healthy_angle=0.2,
        largest_healthy_coordinate=100.0,
    ),
}


def find_scenario(name: str) -> Scenario:
    """Look a scenario up by name.

    Args:
        name: a key of `SCENARIOS`, such as "2halfcheetah".

    Returns:
        Its settings.

    Raises:
        ValueError: if there is no such scenario.
    """
    if name not in SCENARIOS:
        raise ValueError(f"unknown scenario {name!r}: choose one of {', '.join(sorted(SCENARIOS))}")
    return SCENARIOS[name]


@dataclass(frozen=True)
class Layout:
    """Who sees and moves what, as index arrays read from Gymnasium-Robotics.

    Attributes:
        observed: (N, O) positions in the state that each agent observes; an agent that observes less than another
            is padded at its end with the position `state_size`, which stands for zero (as OG-MARL pads).
        actuators: (N, A) the actuator that each action of each agent drives.
        state_size: S.
    """

    observed: NDArray[np.intp]
    actuators: NDArray[np.intp]
    state_size: int

    @property
    def agents(self) -> int:
        """The number of agents N."""
        return len(self.observed)

    @property
    def observation_size(self) -> int:
        """The padded length O of one agent's observation."""
        return int(self.observed.shape[1])

    @property
    def action_size(self) -> int:
        """The number A of one agent's actions."""
        return int(self.actuators.shape[1])


@contextmanager
def _library_messages_muted() -> Iterator[None]:
    """Keep out notices about other robots, and MuJoCo's deprecation notes on Gymnasium's own model files.

    Without this MuJoCo writes a log file into whatever folder the reader happens to be in.
    """
    report = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        mujoco.set_mju_user_warning(report)


def make_library_environment(scenario: str) -> Any:
    """Build Gymnasium-Robotics' own environment of a scenario: the reference for ours.

    Args:
        scenario: a key of `SCENARIOS`.

    Returns:
        A `mamujoco_v1` environment of Gymnasium-Robotics.

    Raises:
        ValueError: if there is no such scenario.
    """
    settings = find_scenario(scenario)
    with _library_messages_muted():
        from gymnasium_robotics import mamujoco_v1

        return mamujoco_v1.parallel_env(scenario=settings.robot, agent_conf=settings.partition, agent_obsk=1)


def read_layout(library: Any) -> Layout:
    """Read the index arrays from a `mamujoco_v1` environment.

    Args:
        library: what `make_library_environment` returns.

    Returns:
        The layout, with observations padded to the longest one.
    """
    state_size = len(library.state())
    indices = [library.observation_factorization[agent] for agent in library.possible_agents]
    longest = max(len(index) for index in indices)
    observed = [np.pad(index, (0, longest - len(index)), constant_values=state_size) for index in indices]
    actuators = [[joint.act_ids for joint in part] for part in library.agent_action_partitions]
    return Layout(np.array(observed, np.intp), np.array(actuators, np.intp), state_size)


def observe(state: ArrayLike, observed: NDArray[np.intp]) -> Any:
    """Take every agent's observation out of the state.

    Args:
        state: (..., S).
        observed: (N, O), see `Layout`.

    Returns:
        (..., N, O) observations of the state's type.
    """
    state = np.asarray(state)
    padded = np.concatenate([state, np.zeros_like(state[..., :1])], axis=-1)
    return padded[..., observed]


class Environment:
    """Many copies of one scenario.

    `observations` and `state` describe the present; `step` moves every copy on; nothing is reset behind your back:
    after a step, pass the finished copies to `reset`.

    Attributes:
        layout: the index arrays, and with them the sizes N, O, A and S.
        observations: (E, N, O) what the agents see now, E being the number of copies.
        state: (E, S) positions without x, then velocities.
        elapsed: (E,) steps since each copy's reset.
    """

    def __init__(self, scenario: str, copies: int, seed: int | Sequence[int], threads: int = 2) -> None:
        """Build the copies and reset all of them.

        Args:
            scenario: a key of `SCENARIOS`.
            copies: E >= 1.
            seed: every copy draws its reset states from its own stream, derived from this.
            threads: >= 1.

        Raises:
            ValueError: for an unknown scenario, or fewer than one copy or thread.
        """
        if copies < 1 or threads < 1:
            raise ValueError(f"copies and threads must be at least 1, got {copies} copies, {threads} threads")
        library = make_library_environment(scenario)
        self.scenario = scenario
        self.settings = find_scenario(scenario)
        self.layout = read_layout(library)
        simulator = library.single_agent_env.unwrapped
        self.model = simulator.model
        self.frame_skip = int(simulator.frame_skip)
        self.step_seconds = float(simulator.dt)
        self._start_position = simulator.init_qpos.copy()
        self._start_velocity = simulator.init_qvel.copy()
        self._actuator_order = np.argsort(self.layout.actuators.ravel())

        self.copies = copies
        self.data = [mujoco.MjData(self.model) for _ in range(copies)]
        self._physics = np.empty((copies, self.model.nq + self.model.nv))
        self._streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(copies)]
        self.elapsed = np.zeros(copies, np.int64)
        self._helpers = threads - 1
        self._pool = ThreadPoolExecutor(max(1, self._helpers))  # starts a thread only when it has work

        self.state: Floats = np.empty((copies, self.layout.state_size))
        self.observations: Floats = observe(self.state, self.layout.observed)
        self.reset(np.ones(copies, bool))

    def reset(self, finished: Booleans) -> None:
        """Start a new episode in some of the copies.

        Args:
            finished: (E,) which ones.
        """
        if not finished.any():
            return
        noise = self.settings.reset_noise
        for copy in np.flatnonzero(finished):
            data, stream = self.data[copy], self._streams[copy]
            mujoco.mj_resetData(self.model, data)
            data.qpos[:] = self._start_position + stream.uniform(-noise, noise, self.model.nq)
            data.qvel[:] = self._start_velocity + (
                noise * stream.standard_normal(self.model.nv)
                if self.settings.normal_reset_velocity
                else stream.uniform(-noise, noise, self.model.nv)
            )
            mujoco.mj_forward(self.model, data)
            mujoco.mj_getState(self.model, data, self._physics[copy], POSITION_AND_VELOCITY)
        self.elapsed[finished] = 0
        self._look()

    def step(self, actions: ArrayLike) -> tuple[Floats, Booleans, Booleans]:
        """Move every copy on by one step.

        Args:
            actions: (E, N, A) in [-1, 1].

        Returns:
            (E,) rewards, shared by the agents; (E,) terminals; (E,) truncations.

        Raises:
            ValueError: if the actions have another shape or are not finite.
        """
        expected = (self.copies, *self.layout.actuators.shape)
        actions = np.asarray(actions, np.float64)
        if actions.shape != expected:
            raise ValueError(f"actions must have shape (copies, agents, actions) = {expected}, got {actions.shape}")
        if not np.isfinite(actions).all():
            raise ValueError("actions must be finite: a policy has produced NaN or infinity")
        controls = actions.reshape(self.copies, -1)[:, self._actuator_order]
        x_before = self._physics[:, 0].copy()
        # All threads, this one included, draw from one iterator, so that none waits for a slower one.
        remaining = iter(range(self.copies))
        helping = [self._pool.submit(self._step_copies, remaining, controls) for _ in range(self._helpers)]
        self._step_copies(remaining, controls)
        for helper in helping:
            helper.result()
        self.elapsed += 1
        self._look()

        x_velocity = (self._physics[:, 0] - x_before) / self.step_seconds
        healthy = self._healthy()
        rewards = x_velocity + self.settings.healthy_reward * healthy
        rewards -= self.settings.control_cost * np.square(controls).sum(axis=1)
        return rewards, ~healthy, self.elapsed >= EPISODE_LENGTH

    def _step_copies(self, remaining: Iterator[int], controls: Floats) -> None:
        """Step copies until none remains, in one thread; nobody else writes their rows."""
        for copy in remaining:
            data = self.data[copy]
            data.ctrl[:] = controls[copy]
            mujoco.mj_step(self.model, data, nstep=self.frame_skip)
            mujoco.mj_getState(self.model, data, self._physics[copy], POSITION_AND_VELOCITY)

    def _look(self) -> None:
        """Compute state and observations from the copies' positions (without x) and velocities."""
        velocity = self._physics[:, self.model.nq :]
        limit = self.settings.velocity_limit
        self.state = np.concatenate([self._physics[:, 1 : self.model.nq], velocity.clip(-limit, limit)], axis=1)
        self.observations = observe(self.state, self.layout.observed)

    def _healthy(self) -> Booleans:
        """Which copies have not fallen; a scenario without limits never falls."""
        height, angle = self._physics[:, 1], self._physics[:, 2]
        coordinates = np.abs(self._physics[:, 2:]).max(axis=1)
        return np.asarray(
            (height > self.settings.lowest_healthy_height)
            & (np.abs(angle) < self.settings.largest_healthy_angle)
            & (coordinates < self.settings.largest_healthy_coordinate)
        )

    def save(self) -> dict[str, Any]:
        """Copy everything that the future depends on, for `restore`.

        Returns:
            `physics` (E, P), `elapsed` (E,), and `streams`, the random streams' states, which JSON can hold.
        """
        physics = np.empty((self.copies, mujoco.mj_stateSize(self.model, INTEGRATION_STATE)))
        for data, row in zip(self.data, physics, strict=True):
            mujoco.mj_getState(self.model, data, row, INTEGRATION_STATE)
        return {
            "physics": physics,
            "elapsed": self.elapsed.copy(),
            "streams": [stream.bit_generator.state for stream in self._streams],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from what `save` returned, bit for bit.

        Args:
            saved: what `save` returned.

        Raises:
            ValueError: if it was saved by another scenario or number of copies.
        """
        expected = (self.copies, mujoco.mj_stateSize(self.model, INTEGRATION_STATE))
        if saved["physics"].shape != expected:
            raise ValueError(
                f"saved physics has shape {saved['physics'].shape}, but {self.copies} copies of {self.scenario} need "
                f"{expected}: use the scenario and the number of copies that it was saved with"
            )
        for copy, data in enumerate(self.data):
            mujoco.mj_setState(self.model, data, saved["physics"][copy], INTEGRATION_STATE)
            mujoco.mj_getState(self.model, data, self._physics[copy], POSITION_AND_VELOCITY)
            self._streams[copy].bit_generator.state = saved["streams"][copy]
        self.elapsed[:] = saved["elapsed"]
        self._look()
