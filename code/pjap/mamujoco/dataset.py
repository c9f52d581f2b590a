"""Datasets of behaviour teams, as flashbax Vaults with OG-MARL's keys and shapes.

A Vault holds, with a leading axis of length one, `observations` (1, T, N, O), `actions` (1, T, N, A), `rewards`,
`terminals` and `truncations` (1, T, N), and `infos/state` (1, T, S), all float32. Row t is the observation *before*
action t, and the reward and flags after it; an episode's last observation is not stored. OG-MARL's own Vaults load by
`read_vault`; ours load in OG-MARL.
Introduced in chapter 9; the mixtures are those of chapter 10.
"""

import contextlib
import io
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from tqdm import tqdm

from pjap.files import require_json, require_writable, write_error
from pjap.mamujoco.behaviour import Team, act, describe_returns, load_team
from pjap.mamujoco.environment import Environment, find_scenario, make_library_environment, read_layout
from pjap.mamujoco.networks import Layers

Floats = NDArray[np.float32]

DEFAULT_FOLDER = Path("vaults")
FLAGS = ("terminals", "truncations")
METADATA = {"version": "a number", "structure_shape": "an object", "structure_dtype": "an object"}
"""What flashbax needs of a Vault's metadata, see `pjap.files.require_json`."""
OWN_METADATA = {"scenario": "a text", "transitions": "a whole number"}
"""What ours hold besides."""
AXES = {"observations": "TNO", "actions": "TNA", "rewards": "T", "terminals": "T", "truncations": "T", "state": "TS"}
"""Of the arrays of a `Dataset`."""


@dataclass(frozen=True)
class Dataset:
    """Transitions in the order in which they were made, one episode after the other.

    Attributes:
        scenario: the task that they are of.
        observations: (T, N, O) before the action.
        actions: (T, N, A), OG-MARL's may lie outside [-1, 1].
        rewards: (T,) shared by the agents.
        terminals: (T,) 1 where the episode ended for good.
        truncations: (T,) 1 where it was cut off.
        state: (T, S) before the action.
    """

    scenario: str
    observations: Floats
    actions: Floats
    rewards: Floats
    terminals: Floats
    truncations: Floats
    state: Floats


@dataclass(frozen=True)
class MixtureSettings:
    """What a dataset is made of.

    Attributes:
        sources: the behaviours, in order; none means those of the mixture of this name. "TEAM" is a whole team;
            "TEAM+TEAM" takes the first agent from the first team and the second agent from the second. "TEAM|TEAM"
            draws, in each step anew, which of the teams acts. A team is the name of a shipped one or the path of an
            `.npz`.
        transitions: how many of each source.
        noise: standard deviation of the Gaussian added to actions, which are then clipped to [-1, 1].
        copies: environment copies stepped at once; must divide `transitions`.
        seed: of reset states and noise.
    """

    sources: tuple[str, ...] = ()
    transitions: int = 250_000
    noise: float = 0.2
    copies: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if self.copies < 1 or self.transitions < 1 or self.transitions % self.copies:
            raise ValueError(
                f"transitions must be a positive multiple of copies, got {self.transitions} and {self.copies}"
            )
        if not 0 <= self.noise < np.inf:
            raise ValueError(f"noise must be a finite number of at least 0, got {self.noise}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")


# Teams 1 and 2 run well with different gaits: crossed, they lose more than any other two of the four good teams.
MIXTURES: dict[str, tuple[str, ...]] = {
    "one-team": ("2halfcheetah-good-0",),
    "good": tuple(f"2halfcheetah-good-{seed}" for seed in range(4)),
    "good-medium": tuple(f"2halfcheetah-{kind}-{seed}" for seed in range(2) for kind in ("good", "medium")),
    "two-gaits": ("2halfcheetah-good-1", "2halfcheetah-good-2"),
    "crossed": ("2halfcheetah-good-1+2halfcheetah-good-2", "2halfcheetah-good-2+2halfcheetah-good-1"),
    # Two coordinated joint actions in every state, and no state tells which comes next: the games' situation.
    "take-turns": ("2halfcheetah-good-1|2halfcheetah-good-2",),
}


def fill_in_sources(name: str, settings: MixtureSettings) -> MixtureSettings:
    """Give settings without sources those of the mixture of this name.

    Args:
        name: a key of `MIXTURES`, not looked at if the settings have sources.
        settings: with or without sources.

    Returns:
        Settings with sources.

    Raises:
        ValueError: if there is no such mixture.
    """
    if settings.sources:
        return settings
    if name not in MIXTURES:
        raise ValueError(
            f"unknown mixture {name!r}: choose one of {', '.join(MIXTURES)}, or say which teams are its sources"
        )
    return replace(settings, sources=MIXTURES[name])


def load_source(source: str) -> tuple[str, list[list[Layers]]]:
    """Load the policies of one source, see `MixtureSettings.sources`.

    Args:
        source: "TEAM", "TEAM+TEAM" or "TEAM|TEAM".

    Returns:
        The scenario, and the teams that take turns (mostly one), each N policies.

    Raises:
        ValueError: if a team is missing, the teams are of different scenarios, or too few or many are named.
    """
    crews = [[load_team(name) for name in part.split("+")] for part in source.split("|")]
    scenarios = {team.scenario for crew in crews for team in crew}
    if len(scenarios) > 1:
        raise ValueError(f"source {source!r} mixes teams of different scenarios: {', '.join(sorted(scenarios))}")
    return scenarios.pop(), [_cross(crew, source) for crew in crews]


def _cross(crew: list[Team], source: str) -> list[Layers]:
    agents = len(crew[0].policies)
    if len(crew) not in (1, agents):
        raise ValueError(f"source {source!r} names {len(crew)} teams: name one, or one for each of {agents} agents")
    members = crew * agents if len(crew) == 1 else crew
    return [team.policies[agent] for agent, team in enumerate(members)]


def roll_out(
    teams: Sequence[list[Layers]], scenario: str, settings: MixtureSettings, seed: Sequence[int], bar: Any = None
) -> Dataset:
    """Run a team, or several that take turns, with action noise.

    The copies' transitions follow one another, copy by copy; where a copy's last episode is unfinished, its last
    transition is marked as truncated, so that nothing joins two copies.

    Args:
        teams: one policy for each agent in each; with several, each step of each copy is a random one's.
        scenario: which task.
        settings: transitions, noise and copies.
        seed: of reset states, turns and noise.
        bar: a progress bar to update.

    Returns:
        `settings.transitions` transitions.
    """
    environment = Environment(scenario, settings.copies, seed)
    rng = np.random.default_rng(seed)
    steps = []
    for _ in range(settings.transitions // settings.copies):
        observations, state = environment.observations.astype(np.float32), environment.state.astype(np.float32)
        actions = _act_in_turns(teams, observations, rng)
        actions = actions + settings.noise * rng.standard_normal(actions.shape, np.float32)
        actions = actions.clip(-1, 1)
        rewards, terminals, truncations = environment.step(actions)
        environment.reset(terminals | truncations)
        steps.append((observations, actions, rewards, terminals, truncations, state))
        if bar is not None:
            bar.update(settings.copies)
    columns = [np.stack(column, axis=1, dtype=np.float32) for column in zip(*steps, strict=True)]
    last_terminals, last_truncations = columns[3][:, -1], columns[4][:, -1]
    last_truncations[:] = np.maximum(last_truncations, 1 - last_terminals)
    return Dataset(scenario, *(column.reshape(-1, *column.shape[2:]) for column in columns))


def _act_in_turns(teams: Sequence[list[Layers]], observations: Floats, rng: np.random.Generator) -> Floats:
    """(E, N, A) the joint action of one team in each copy."""
    actions: Floats = np.stack([np.asarray(act(policies, observations)) for policies in teams])
    # One team takes every turn; drawing only where there is a choice keeps older datasets as they were.
    turn = rng.integers(len(teams), size=len(observations)) if len(teams) > 1 else 0
    chosen: Floats = actions[turn, np.arange(len(observations))]
    return chosen


def join(datasets: Sequence[Dataset]) -> Dataset:
    """Put datasets of one scenario one after the other.

    Args:
        datasets: at least one.

    Returns:
        One dataset, in the order given.

    Raises:
        ValueError: if they are of different scenarios.
    """
    scenario = _only({dataset.scenario for dataset in datasets})
    names = [field.name for field in fields(Dataset)][1:]
    return Dataset(scenario, *(np.concatenate([getattr(each, name) for each in datasets]) for name in names))


def _only(scenarios: set[str]) -> str:
    if len(scenarios) != 1:
        raise ValueError(f"the sources are of different scenarios: {', '.join(sorted(scenarios))}")
    return next(iter(scenarios))


def make_dataset(settings: MixtureSettings) -> Dataset:
    """Roll every source of a mixture out, with a progress bar.

    Args:
        settings: with sources.

    Returns:
        The sources' transitions, one source after the other.

    Raises:
        ValueError: if a team is missing, or the sources are of different scenarios.
    """
    sources = [load_source(source) for source in settings.sources]
    _only({scenario for scenario, _ in sources})  # before anything is rolled out
    total = settings.transitions * len(sources)
    with tqdm(total=total, unit=" transitions", unit_scale=True, mininterval=1) as bar:
        return join(
            [
                roll_out(teams, scenario, settings, (settings.seed, number), bar)
                for number, (scenario, teams) in enumerate(sources)
            ]
        )


# Vaults


def to_experience(dataset: Dataset) -> dict[str, Any]:
    """Arrange a dataset as OG-MARL does: a leading axis of one, rewards and flags repeated for each agent.

    Args:
        dataset: T transitions of N agents.

    Returns:
        Arrays by OG-MARL's names, float32: (1, T, N, ...), and `infos/state` (1, T, S).

    Raises:
        ValueError: if an array has not as many axes as `Dataset` says.
    """
    arrays = {name: np.asarray(getattr(dataset, name), np.float32) for name in AXES}
    for name, axes in AXES.items():
        if arrays[name].ndim != len(axes):
            raise ValueError(f"{name} has shape {arrays[name].shape}, expected ({', '.join(axes)})")
    agents = arrays["actions"].shape[1]
    arrays |= {name: np.repeat(arrays[name][:, None], agents, 1) for name in ("rewards", *FLAGS)}
    state = arrays.pop("state")
    return {name: array[None] for name, array in arrays.items()} | {"infos": {"state": state[None]}}


def write_vault(dataset: Dataset, name: str, folder: Path, about: dict[str, Any]) -> Path:
    """Write a dataset to `folder/mamujoco/{scenario}.vlt/{name}`, OG-MARL's place for it.

    The Vault is written under another name and renamed when it is whole.

    Args:
        dataset: what to write.
        name: the Vault's own folder.
        folder: where the Vaults are.
        about: further entries for the Vault's metadata; anything that JSON holds.

    Returns:
        The Vault's path.

    Raises:
        ValueError: if such a Vault exists already, or the dataset is one that `read_vault` would refuse: of other
            shapes than its scenario's, of arrays of different lengths, empty, with NaN or infinity, or with flags
            other than 0 and 1; before anything is written.
        OSError: if the folder cannot be written to, or the disk is full; nothing is left then.
    """
    experience = to_experience(dataset)
    check_experience(experience, dataset.scenario, f"the data for the Vault {name!r}", None)
    path = vault_path(dataset.scenario, name, folder)
    partial = path.with_name(f".{name}.partial-{os.getpid()}")
    metadata = {"scenario": dataset.scenario, "transitions": len(dataset.rewards), "pjap": version("pjap"), **about}
    try:
        try:
            # Vault.write starts an event loop of its own, which a notebook's thread does not allow.
            with ThreadPoolExecutor(1) as pool:
                pool.submit(_write_experience, experience, partial, metadata).result()
        except (OSError, ValueError) as error:  # the storage library's own is a ValueError
            raise write_error(path, error) from error
        try:
            partial.rename(path)
        except OSError:
            if not path.exists():
                raise
            raise ValueError(f"{path} exists already: another process has made it meanwhile") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def vault_path(scenario: str, name: str, folder: Path) -> Path:
    """Where a new Vault goes.

    Args:
        scenario: of the data.
        name: the Vault's own folder.
        folder: where the Vaults are.

    Returns:
        The absolute path; its parent is there afterwards.

    Raises:
        ValueError: if there is one already.
        OSError: if the folder cannot be written to.
    """
    if name in ("", "..") or Path(name).name != name:
        raise ValueError(f"name must be that of one folder, not a path, got {name!r}")
    path = folder.absolute() / "mamujoco" / f"{scenario}.vlt" / name
    if path.exists():
        raise ValueError(f"{path} exists already: delete it, or choose another name or folder")
    require_writable(path.parent)
    return path


def _write_experience(experience: dict[str, Any], path: Path, metadata: dict[str, Any]) -> None:
    """Write with flashbax's own Vault, which takes seconds to import, hence here."""
    import jax
    from flashbax.buffers.trajectory_buffer import TrajectoryBufferState
    from flashbax.vault import Vault

    transitions = experience["rewards"].shape[1]
    buffer = TrajectoryBufferState(experience=experience, current_index=np.array(transitions), is_full=np.array(False))
    with contextlib.redirect_stdout(io.StringIO()):
        vault = Vault(
            path.parent.name, jax.eval_shape(lambda: experience), str(path.parents[1]), path.name, None, metadata
        )
        vault.write(buffer, source_interval=(0, transitions))


def read_vault(path: Path | str, scenario: str | None = None) -> Dataset:
    """Read and validate a Vault.

    Args:
        path: the Vault's own folder, the one that holds `metadata.json`.
        scenario: what it has to be of. Without it, what its metadata or, as in OG-MARL, its place says.

    Returns:
        The dataset.

    Raises:
        ValueError: if there is no Vault; if it is empty, half-written, truncated or damaged; if an array is missing,
            has another shape than the scenario's, holds NaN, infinity or anything but 0 and 1 for a flag; if agents'
            rewards differ; or if it is of another scenario.
    """
    path = Path(path).absolute()
    metadata = read_metadata(path)
    found = metadata.get("scenario", path.parent.name.removesuffix(".vlt"))
    if scenario is not None and "scenario" in metadata and found != scenario:
        raise ValueError(f"{path} holds {found} data, but {scenario} was asked for")
    scenario = scenario or found
    try:
        find_scenario(scenario)
    except ValueError as error:
        raise ValueError(f"{path} does not say which scenario it is of: name it. ({error})") from None
    experience = _read_experience(path)
    check_experience(experience, scenario, path, metadata.get("transitions"))
    flat = {name: np.asarray(experience[name][0], np.float32) for name in ("observations", "actions")}
    shared = {name: np.asarray(experience[name][0, :, 0], np.float32) for name in ("rewards", *FLAGS)}
    return Dataset(scenario, **flat, **shared, state=np.asarray(experience["infos"]["state"][0], np.float32))


def read_metadata(path: Path) -> dict[str, Any]:
    """Read a Vault's `metadata.json`.

    Args:
        path: the Vault's own folder.

    Returns:
        What the file holds.

    Raises:
        ValueError: if there is none, it cannot be read, or lacks what flashbax needs.
    """
    if not path.is_dir():
        raise ValueError(f"there is no Vault at {path}: give the folder that holds metadata.json")
    try:
        metadata: dict[str, Any] = json.loads((path / "metadata.json").read_text())
        require_json(metadata, METADATA)
        require_json(metadata, OWN_METADATA, optional=True)
    except FileNotFoundError:
        inside = sorted(child.name for child in path.iterdir() if (child / "metadata.json").exists())
        hint = f"it holds the Vaults {', '.join(inside)}" if inside else "it is not a Vault, or a half-written one"
        raise ValueError(f"{path} has no metadata.json: {hint}") from None
    except ValueError as error:
        raise ValueError(f"{path}/metadata.json is damaged ({error}): make or download the Vault again") from None
    return metadata


def _read_experience(path: Path) -> dict[str, Any]:
    """Read with flashbax's own Vault, as NumPy arrays."""
    import jax
    from flashbax.vault import Vault

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            vault = Vault(path.parent.name, rel_dir=str(path.parents[1]), vault_uid=path.name)
        if vault.vault_index == 0:
            raise ValueError("it is empty")
        experience: dict[str, Any] = jax.tree.map(np.asarray, vault.read().experience)
    except (ValueError, TypeError, KeyError, SyntaxError, AssertionError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else "flashbax refuses the version in metadata.json"
        raise ValueError(
            f"{path} cannot be read: {reason[:300]}. A Vault that is half-written or damaged has to be made again"
        ) from None
    return experience


def check_experience(experience: dict[str, Any], scenario: str, what: Path | str, transitions: int | None) -> None:
    """Check what a Vault holds or is to hold.

    Args:
        experience: arrays by OG-MARL's keys.
        scenario: whose shapes it must have.
        what: is checked, for messages.
        transitions: how many there must be, if that is known.

    Raises:
        ValueError: see `read_vault`.
    """
    layout = read_layout(make_library_environment(scenario))
    N = layout.agents
    trailing = {
        "observations": (N, layout.observation_size),
        "actions": (N, layout.action_size),
        "rewards": (N,),
        "terminals": (N,),
        "truncations": (N,),
        "state": (layout.state_size,),
    }
    arrays = {**experience, **experience.get("infos", {})}
    missing = [name for name in trailing if name not in arrays]
    if missing:
        raise ValueError(f"{what} has no {', '.join(missing)}: it has {', '.join(sorted(arrays))}")
    T = arrays["rewards"].shape[1] if transitions is None else transitions
    if not T:
        raise ValueError(f"{what} is empty")
    for name, shape in trailing.items():
        array = arrays[name]
        if array.ndim == len(shape) + 2 and array.shape[1] < T and array.shape[2:] == shape:
            raise ValueError(f"{what} is truncated: {name} holds {array.shape[1]} transitions of {T}")
        if array.shape != (1, T, *shape):
            raise ValueError(f"{what}: {name} has shape {array.shape}, but {scenario} needs {(1, T, *shape)}")
        wrong = ~np.isfinite(array).reshape(T, -1).all(axis=1)
        if wrong.any():
            raise ValueError(
                f"{what}: {name} holds NaN or infinity in {wrong.sum()} of {T} transitions, "
                f"first in number {wrong.argmax()}"
            )
    for name in FLAGS:
        if not np.isin(arrays[name], (0, 1)).all():
            raise ValueError(f"{what}: {name} holds other values than 0 and 1")
    for name in ("rewards", *FLAGS):
        if (arrays[name] != arrays[name][..., :1]).any():
            raise ValueError(f"{what}: {name} differ between the agents, but they must be shared")
    # Storage that was never written reads as zeros; a robot is never at rest in exactly the zero pose.
    blank = ~(arrays["state"][0].any(axis=1) | arrays["actions"][0].reshape(T, -1).any(axis=1))
    if blank.any():
        raise ValueError(
            f"{what} is half-written: {blank.sum()} of {T} transitions are blank, first number {blank.argmax()}"
        )


# Description


def episode_returns(dataset: Dataset) -> NDArray[np.float64]:
    """Sum the rewards of every finished episode.

    Args:
        dataset: T transitions, episode after episode.

    Returns:
        (episodes,) returns; transitions after the last end belong to none.
    """
    ends = np.flatnonzero(np.maximum(dataset.terminals, dataset.truncations))
    totals = np.cumsum(dataset.rewards, dtype=np.float64)[ends]
    return np.diff(totals, prepend=0.0)


RECOMBINED, SEEN = 1000, 5000
"""Joint actions that `joint_action_coverage` recombines, and those of the data among which it looks for the nearest."""


def joint_action_coverage(actions: Floats) -> dict[str, float]:
    """Compare the data's joint actions with recombined ones: each agent's action from another transition.

    Recombined joint actions have the data's marginals but not its joint structure. How far they are from the data
    tells how much of the joint action space that independent learners can wander into has been seen. The distance is
    PJAP's: the mean absolute difference.

    Args:
        actions: (T, N, A).

    Returns:
        `seen_distance` and `recombined_distance`, the median distance of a held-out and of a recombined joint action
        to the nearest one of the data; `coverage`, the share of recombined ones that are no farther than 95 % of
        the held-out ones: 0.95 if agents act independently of one another, less the more structure there is.

    Raises:
        ValueError: if there is nothing to compare a joint action with.
    """
    rng = np.random.default_rng(0)
    T, N = actions.shape[:2]
    if T < 2:
        raise ValueError(f"the joint actions are of {T} transitions, expected at least 2")
    chosen = rng.permutation(T)[: RECOMBINED + SEEN]
    held = max(1, len(chosen) // 6)
    held_out, data = chosen[:held], actions[chosen[held:]].reshape(-1, actions[0].size)
    mixed = np.stack([actions[rng.integers(T, size=RECOMBINED), agent] for agent in range(N)], axis=1)

    def distances(queries: Floats) -> NDArray[Any]:
        sums = cdist(queries.reshape(len(queries), -1), data, "cityblock")
        nearest: NDArray[Any] = sums.min(axis=1) / data.shape[1]
        return nearest

    seen, recombined = distances(actions[held_out]), distances(mixed)
    return {
        "seen_distance": float(np.median(seen)),
        "recombined_distance": float(np.median(recombined)),
        "coverage": float((recombined <= np.quantile(seen, 0.95)).mean()),
    }


def describe(dataset: Dataset) -> dict[str, Any]:
    """Summarise a dataset: shapes, episodes, returns, actions, joint-action coverage.

    Args:
        dataset: T transitions.

    Returns:
        Numbers, strings, lists and dicts that JSON can hold.
    """
    returns, actions = episode_returns(dataset), dataset.actions
    return {
        "scenario": dataset.scenario,
        "shapes": {field.name: list(getattr(dataset, field.name).shape) for field in fields(Dataset)[1:]},
        "episodes": len(returns),
        "terminals": int(dataset.terminals.sum()),
        "truncations": int(dataset.truncations.sum()),
        "returns": describe_returns(returns) if len(returns) else None,
        "action_mean": actions.mean(axis=0, dtype=np.float64).round(4).tolist(),
        "action_std": actions.std(axis=0, dtype=np.float64).round(4).tolist(),
        "actions_at_bound": round(float((np.abs(actions) >= 1).mean()), 4),
        "actions_outside": round(float((np.abs(actions) > 1).mean()), 4),
        "joint_actions": {name: round(value, 4) for name, value in joint_action_coverage(actions).items()},
    }


def make_vault(name: str, settings: MixtureSettings, folder: Path = DEFAULT_FOLDER) -> Path:
    """Make a mixture and write it as a Vault, with its settings in the Vault's metadata.

    Args:
        name: of the Vault, and of the mixture if the settings name no sources.
        settings: see there.
        folder: where the Vaults are.

    Returns:
        The Vault's path, see `write_vault`.

    Raises:
        ValueError: if a mixture or team is unknown, or the Vault exists; before anything is rolled out.
        OSError: if the folder cannot be written to; before anything is rolled out.
    """
    settings = fill_in_sources(name, settings)
    scenario, _ = load_source(settings.sources[0])
    vault_path(scenario, name, folder)
    about = {**asdict(settings), "sources": list(settings.sources)}
    about["transitions_of_each_source"] = about.pop("transitions")
    return write_vault(make_dataset(settings), name, folder, about)
