"""The experiment: learner x sampling x dataset x seed, each run resumable, each result one small file.

A *variant* is written as the command line and the result files have it: the sampling, then any settings that differ
from the learner's own, in alphabetical order, as in ``pjap``, ``pjap,steepness=10`` or ``uniform,partners=current``.

What two variants are compared in are the sampling and the settings of `COMPARED`; all others, as in
``pjap,cql_samples=4``, are common to both sides of a comparison (see `split_variant`).

A sweep does only what is missing: a run whose result file exists is not repeated, and one that was interrupted goes
on from its checkpoint to the same result, bit for bit, that it would have had. Reported in chapter 10.
"""

import ast
import json
import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from tqdm import tqdm

from pjap.files import require_json, require_writable, write_json
from pjap.mamujoco import learner, replay, statistics
from pjap.mamujoco.behaviour import describe_returns
from pjap.mamujoco.dataset import (
    DEFAULT_FOLDER,
    MIXTURES,
    Dataset,
    MixtureSettings,
    episode_returns,
    load_source,
    make_vault,
    read_vault,
)
from pjap.mamujoco.environment import Environment, find_scenario
from pjap.mamujoco.learner import Settings

RESULTS = Path("runs/experiment")

COMPARED = (
    "steepness",
    "target_ess",
    "exponent",
    "floor",
    "refresh",
    "refresh_size",
    "refresh_every",
    "prioritised",
    "partners",
)
"""The settings in which variants are compared: those of PJAP, and whose actions the partners' are."""

PJAP_ONLY = tuple(name for name in COMPARED if name not in ("refresh_every", "partners"))
"""Those without effect on uniform sampling, whose blocks of updates `refresh_every` sets, too."""

RESULT = {
    "run.dataset": "a text",
    "run.learner": "a text",
    "run.variant": "a text",
    "run.seed": "a whole number",
    "run.updates": "a whole number",
    "data.returns.mean": "a number",
    "curve": "a list",
}
"""What the report reads of a result, see `pjap.files.require_json`."""
POINT = {"updates": "a whole number", "return": "a number", "distance": "a number"}
"""What it reads of a point of the curve."""


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        dataset: name of a Vault.
        learner: "bc", "cql" or "recurrent-cql".
        variant: see the module's docstring.
        seed: of networks, batches, noise and evaluation.
        updates: critic updates.
        evaluate_every: updates between evaluations; divides `updates`.
        episodes: of an evaluation.
        scenario: what the dataset is of.
    """

    dataset: str
    learner: str
    variant: str
    seed: int
    updates: int = 200_000
    evaluate_every: int = 10_000
    episodes: int = 10
    scenario: str = "2halfcheetah"

    def __post_init__(self) -> None:
        settings = self.settings  # an unknown learner or variant is refused here and not in the middle of a sweep
        find_scenario(self.scenario)
        if (canonical := canonical_variant(self.learner, self.variant)) != self.variant:
            raise ValueError(f"variant {self.variant!r} of {self.learner} is a second name of {canonical!r}: use it")
        if self.dataset in ("", "..") or Path(self.dataset).name != self.dataset:
            raise ValueError(f"dataset must be the name of a Vault, not a path, got {self.dataset!r}")
        if self.updates < 1 or self.evaluate_every < 1 or self.updates % self.evaluate_every:
            raise ValueError(
                f"updates must be a positive multiple of evaluate_every, got {self.updates} and {self.evaluate_every}"
            )
        if self.evaluate_every % settings.refresh_every:
            raise ValueError(
                f"evaluate_every must be a multiple of refresh_every, got {self.evaluate_every} and "
                f"{settings.refresh_every} for {self.learner} {self.variant}"
            )
        if not 0 <= self.seed < 2**32:  # JAX makes the same key of seeds that differ by 2**32
            raise ValueError(f"seed must be in [0, 2**32), got {self.seed}")
        if self.episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {self.episodes}")

    @property
    def settings(self) -> Settings:
        """The learner's settings that the variant stands for."""
        return learner.default_settings(self.learner, **parse_variant(self.variant))

    @property
    def name(self) -> str:
        """Name of the run's files: everything that tells it from other runs of a sweep."""
        return f"{self.scenario}-{self.dataset}-{self.learner}-{self.variant}-{self.updates}-seed{self.seed}"


@dataclass(frozen=True)
class Sweep:
    """All combinations of datasets, learners, variants and seeds.

    Attributes:
        datasets: names of Vaults; a missing one is made if it is one of the named mixtures.
        learners: of "bc", "cql" and "recurrent-cql".
        variants: SAMPLING[,SETTING=VALUE]..., as in "uniform", "pjap" or "pjap,steepness=10", separated by spaces; the
            sampling is "uniform" or "pjap", the settings are those of `pjap.mamujoco.learner.Settings`.
        seeds: one run for each.
        updates: critic updates of each run.
        evaluate_every: updates between evaluations.
        episodes: of an evaluation.
        scenario: what the datasets are of.
        quick: a few minutes in all: small datasets, short runs, the first learner, two seeds; whatever is said above.
    """

    datasets: tuple[str, ...] = ("good",)
    learners: tuple[str, ...] = ("bc",)
    variants: tuple[str, ...] = ("uniform", "pjap")
    seeds: tuple[int, ...] = tuple(range(10))
    updates: int = 200_000
    evaluate_every: int = 10_000
    episodes: int = 10
    scenario: str = "2halfcheetah"
    quick: bool = False

    def runs(self) -> list[Run]:
        """The runs, seed by seed, so that a sweep that is stopped early has whole rows of the table.

        Returns:
            One run for each combination, also where it is named twice.

        Raises:
            ValueError: for an unknown learner or variant, or numbers that do not go together.
        """
        sweep = self
        if self.quick:
            seeds, learners = self.seeds[:2], self.learners[:1]
            sweep = replace(self, seeds=seeds, learners=learners, updates=2000, evaluate_every=1000, episodes=4)
        combinations = product(sweep.seeds, sweep.datasets, sweep.learners, sweep.variants)
        runs = (
            Run(dataset, name, variant, seed, sweep.updates, sweep.evaluate_every, sweep.episodes, sweep.scenario)
            for seed, dataset, name, variant in combinations
        )
        return list(dict.fromkeys(runs))


def parse_variant(variant: str) -> dict[str, Any]:
    """Read a variant as settings.

    Args:
        variant: SAMPLING[,SETTING=VALUE]..., as "pjap,steepness=10".

    Returns:
        Setting to value; words that are no Python literal stay words.

    Raises:
        ValueError: if it is not of the form SAMPLING[,SETTING=VALUE]..., or says a setting twice.

    Example:
        >>> parse_variant("pjap,steepness=10,partners=current")
        {'sampling': 'pjap', 'steepness': 10, 'partners': 'current'}
    """
    sampling, *changes = variant.split(",")
    settings: dict[str, Any] = {"sampling": sampling}
    for change in changes:
        name, equals, text = change.partition("=")
        if not (name and equals and text):
            raise ValueError(f"variant {variant!r} has the part {change!r}, expected SETTING=VALUE")
        if name == "learner":
            raise ValueError(f"variant {variant!r} names a learner: name it where the learners are named")
        if name in settings:
            raise ValueError(f"variant {variant!r} says {name} twice: leave one of them out")
        try:
            settings[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            settings[name] = text
    return settings


def canonical_variant(name: str, variant: str) -> str:
    """The one way to write a variant, so that a run has one name.

    Args:
        name: of the learner.
        variant: see the module's docstring.

    Returns:
        The variant without what are the learner's own settings, the others in alphabetical order.

    Raises:
        ValueError: for an unknown learner or variant, or a setting that has no effect on its sampling.

    Example:
        >>> canonical_variant("cql", "pjap,steepness=10.0,floor=0.001,cql_samples=4")
        'pjap,cql_samples=4,steepness=10'
    """
    changes = parse_variant(variant)
    own, settings = learner.default_settings(name), learner.default_settings(name, **changes)
    parts = [changes.pop("sampling")]
    for setting in sorted(changes):
        if settings.sampling == "uniform" and setting in PJAP_ONLY:
            raise ValueError(f"variant {variant!r} sets {setting}, which has no effect on uniform: leave it out")
        value = getattr(settings, setting)
        if value != getattr(own, setting):
            parts.append(f"{setting}={str(value).removesuffix('.0')}")
    return ",".join(parts)


def split_variant(variant: str) -> tuple[str, str]:
    """Part a variant into what is compared and what both sides of a comparison share.

    Args:
        variant: see the module's docstring.

    Returns:
        The method (the sampling and the settings of `COMPARED`) and the common settings, each in alphabetical order.

    Example:
        >>> split_variant("pjap,cql_samples=4,steepness=10")
        ('pjap,steepness=10', 'cql_samples=4')
    """
    sampling, *changes = variant.split(",")
    compared = [change for change in changes if change.partition("=")[0] in COMPARED]
    common = [change for change in changes if change not in compared]
    return ",".join([sampling, *sorted(compared)]), ",".join(sorted(common))


# One run


def perform(run: Run, vaults: Path = DEFAULT_FOLDER, results: Path = RESULTS, command: str = "") -> Path:
    """Train, evaluate and write the result; or go on where an interrupted run stopped; or find it done.

    Args:
        run: what to do.
        vaults: folder of the Vaults.
        results: folder of the result files; checkpoints go to `unfinished` in it.
        command: what was typed, for the record.

    Returns:
        The result's path.

    Raises:
        ValueError: if the dataset is missing or damaged, a checkpoint or a result is of other settings, or a checkpoint
            is of other data.
        OSError: if a folder or a file cannot be written to.
        BlockingIOError: if another process does this run.
        FloatingPointError: if training diverges.
    """
    target = results / f"{run.name}.json"
    if _read_done(run, results):
        return target
    checkpoint, _ = _unfinished(run, results)
    require_writable(checkpoint.parent)
    with _alone(checkpoint.with_suffix(".lock")):
        if not _read_done(run, results):  # as another process may have done meanwhile
            _train(run, vaults, results, command)
    return target


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Keep other processes from the same run; the system undoes the lock when this one ends, even if it is killed."""
    with lock.open("w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held the lock removes the file before letting go: then it is no longer the one that others find.
            ours = os.path.samestat(os.fstat(file.fileno()), os.stat(lock))
        except (BlockingIOError, FileNotFoundError):
            ours = False
        except (ImportError, OSError):  # Windows, or a file system that cannot lock: there nothing is kept apart
            ours = True
        if not ours:
            raise BlockingIOError(f"another process does this run (it holds {lock}): let it end, or stop it")
        try:
            yield
        finally:
            with suppress(OSError):
                lock.unlink()


def _train(run: Run, vaults: Path, results: Path, command: str) -> None:
    """Train from the checkpoint, if there is one, and write the result; see `perform`."""
    checkpoint, record = _unfinished(run, results)
    dataset = _read_episodes(vaults / "mamujoco" / f"{run.scenario}.vlt" / run.dataset, run.scenario)
    about = _describe(dataset)
    data = replay.load(dataset, normalise=run.settings.normalise)
    seconds, curve = 0.0, []
    if progress := _read_progress(run, results):
        _require_same_data(progress.get("data", about), about, checkpoint)
        state = learner.load(checkpoint, run.settings, data)
        # The curve is written before the checkpoint: a stop between the two leaves a point too many, not too few.
        curve = [point for point in progress["curve"] if point["updates"] <= int(state.updates)]
        seconds = progress["seconds"]
    else:
        state = learner.init(run.settings, data, run.seed)

    with tqdm(total=run.updates, initial=int(state.updates), desc=run.name, unit=" updates", mininterval=2) as bar:
        while int(state.updates) < run.updates:
            started = time.perf_counter()
            state, metrics = learner.train(run.settings, state, data, run.evaluate_every)
            updates = int(state.updates)
            # A new environment for each evaluation, seeded by where training is: a resumed run draws the same episodes.
            environment = Environment(run.scenario, run.episodes, (run.seed, updates), threads=1)
            returns = learner.evaluate(learner.policy_of(state, data), environment)
            seconds += time.perf_counter() - started
            point = {"updates": updates, "return": describe_returns(returns)["mean"], **metrics}
            curve.append({name: round(value, 5) for name, value in point.items()})
            write_json(record, {"run": asdict(run), "data": about, "curve": curve, "seconds": seconds})
            learner.save(checkpoint, run.settings, state)
            bar.update(run.evaluate_every)
            bar.set_postfix({"return": f"{point['return']:.0f}", "distance": f"{point['distance']:.3f}"})

    write_json(
        results / f"{run.name}.json",
        {
            "run": asdict(run),
            "settings": asdict(run.settings),
            "data": about,
            "curve": curve,
            "provenance": {
                "command": command,
                "seconds": round(seconds, 1),
                "versions": {name: version(name) for name in ("pjap", "jax", "optax", "numpy", "mujoco")},
                "python": platform.python_version(),
                "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            },
        },
    )
    checkpoint.unlink(missing_ok=True)
    record.unlink(missing_ok=True)


def _unfinished(run: Run, results: Path) -> tuple[Path, Path]:
    """Where a run keeps its checkpoint, and the record of how far it is."""
    stem = results / "unfinished" / run.name
    return Path(f"{stem}.npz"), Path(f"{stem}.json")


def _read_done(run: Run, results: Path) -> dict[str, Any] | None:
    """The run's result, None where there is none; that of other settings, or a damaged one, is an error."""
    target = results / f"{run.name}.json"
    if not target.exists():
        return None
    result = _read_result(target)
    _require_same_run(run, result["run"], target)
    return result


def _read_progress(run: Run, results: Path) -> dict[str, Any] | None:
    """The record of an interrupted run, None where there is none; see `_read_done` for errors."""
    checkpoint, record = _unfinished(run, results)
    if not (checkpoint.exists() and record.exists()):
        return None
    try:
        progress: dict[str, Any] = json.loads(record.read_text())
        require_json(progress, {"seconds": "a number", "curve": "a list"})
        require_json(progress, {"run": "an object"}, optional=True)  # older versions did not record everything
        if "data" in progress:
            require_json(progress, {"data.returns.mean": "a number"})
        for point in progress["curve"]:
            require_json(point, {"updates": "a whole number"})
    except ValueError as error:
        raise ValueError(f"{record} is not a whole record ({error}): delete it to start the run anew") from error
    _require_same_run(run, progress.get("run", {}), checkpoint)
    return progress


def _require_same_run(run: Run, recorded: dict[str, Any], path: Path) -> None:
    """Refuse a file of a run that differs in what its name does not say; older versions did not record everything."""
    begun = {**asdict(run), **recorded}
    if changed := [f"{name} {begun[name]} (now {now})" for name, now in asdict(run).items() if begun[name] != now]:
        raise ValueError(
            f"{path} is of a run with {', '.join(changed)}: use its settings to continue it, or delete it to start anew"
        )


def _describe(dataset: Dataset) -> dict[str, Any]:
    """What files record of their data: enough to tell a Vault that was made anew under the same name."""
    return {"transitions": len(dataset.rewards), "returns": describe_returns(episode_returns(dataset))}


def _require_same_data(recorded: dict[str, Any], data: dict[str, Any], path: Path, tolerance: float = 0.0) -> None:
    """Refuse a file of other data than these."""
    if not _same_data(recorded, data, tolerance):
        raise ValueError(
            f"{path} is of other data of the same name, {_words(recorded)}, expected {_words(data)}: put that Vault "
            "back, or use another folder for the results"
        )


# A mixture that is rolled out again on another processor differs after a few steps, as physics magnifies rounding, and
# its mean return by a thousandth; with other noise or other teams it differs by far more.
SAME_RETURN = 0.01


def _same_data(one: dict[str, Any], other: dict[str, Any], tolerance: float = SAME_RETURN) -> bool:
    """Whether two records are of the same data: as many transitions, and the mean return up to a relative tolerance."""
    means = [data["returns"]["mean"] for data in (one, other)]
    near = abs(means[0] - means[1]) <= tolerance * max(map(abs, means))
    return near and one.get("transitions") == other.get("transitions")


def _words(data: dict[str, Any]) -> str:
    return f"{data.get('transitions')} transitions with a mean return of {data['returns']['mean']}"


def _read_episodes(path: Path, scenario: str) -> Dataset:
    """A Vault with the episodes that results are compared with."""
    dataset = read_vault(path, scenario)
    returns = episode_returns(dataset)
    if not len(returns):
        raise ValueError(f"{path} holds no finished episode, whose returns scores are divided by: make a longer one")
    if not returns.mean():
        raise ValueError(f"the mean return of {path} is 0, and scores are divided by it: use other data")
    return dataset


# A sweep


def run_sweep(
    sweep: Sweep,
    vaults: Path = DEFAULT_FOLDER,
    results: Path = RESULTS,
    workers: int = 1,
    scheduler: str | None = None,
    command: str = "",
) -> list[Path]:
    """Do the runs that are missing, in processes of this machine or on a Dask cluster.

    Args:
        sweep: what to do.
        vaults: folder of the Vaults; on a cluster, one that all workers see.
        results: folder of the result files; likewise.
        workers: processes; a run keeps one core busy.
        scheduler: address of a Dask scheduler; then its workers do the runs.
        command: what was typed, for the record.

    Returns:
        The results' paths.

    Raises:
        ValueError: if a dataset is unknown or damaged, or a result or a checkpoint is of other settings or, where the
            data are needed, of other data; before any training.
        OSError: if a folder cannot be written to; before any training.
        BlockingIOError, FloatingPointError: if other processes do some of the runs, or some diverge; after all others.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    runs = sweep.runs()
    if not runs:
        raise ValueError("nothing to do: a sweep needs at least one dataset, learner, variant and seed")
    require_writable(results)
    # One core a process: on a small machine that beats several cores for one run. XLA reads this when it starts, which
    # is when the first Vault is read.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    if sweep.quick:
        runs = [replace(run, dataset=f"quick-{run.dataset}") for run in runs]
    vaults, results = vaults.absolute(), results.absolute()
    done = {run: _read_done(run, results) for run in runs}
    todo = [run for run in runs if not done[run]]
    begun = {run: _read_progress(run, results) for run in todo}
    for place in sorted({(run.scenario, run.dataset) for run in todo}):
        dataset = read_or_make(*place, vaults)
        data = _describe(dataset)
        for run in (run for run in runs if (run.scenario, run.dataset) == place):
            if len(dataset.rewards) < run.settings.window:
                raise ValueError(
                    f"the dataset {run.dataset} has {len(dataset.rewards)} steps, fewer than the {run.settings.window} "
                    f"of one window of {run.learner}: make a longer one"
                )
            if result := done[run]:
                _require_same_data(result["data"], data, results / f"{run.name}.json", SAME_RETURN)
            elif progress := begun[run]:
                _require_same_data(progress.get("data", data), data, _unfinished(run, results)[0])
    print(f"{len(runs)} runs: {len(runs) - len(todo)} done, {len(todo)} to do")

    jobs = [joblib.delayed(_perform_or_tell)(run, vaults, results, command) for run in todo]
    ended = tqdm(_carry_out(jobs, workers, scheduler), total=len(jobs), desc="runs", unit=" runs", disable=not jobs)
    if failures := [failure for failure in ended if failure]:
        reasons = " ".join(map(str, failures))
        raise type(failures[0])(f"{len(failures)} runs have no result, all others have. {reasons}")
    return [results / f"{run.name}.json" for run in runs]


def _perform_or_tell(run: Run, vaults: Path, results: Path, command: str) -> Exception | None:
    """`perform` in a sweep, where a run that diverges, or is done by another process, must not stop the others.

    Returns what went wrong, if it did.
    """
    try:
        perform(run, vaults, results, command)
    except (FloatingPointError, BlockingIOError) as error:
        return type(error)(f"{run.name}: {error}.")
    return None


def _carry_out(jobs: Sequence[Any], workers: int, scheduler: str | None) -> Iterator[Exception | None]:
    if scheduler is None:
        yield from joblib.Parallel(n_jobs=workers, return_as="generator_unordered")(jobs)
        return
    from distributed import Client

    with Client(scheduler), joblib.parallel_config(backend="dask"):  # type: ignore[no-untyped-call]
        yield from joblib.Parallel()(jobs)


def read_or_make(scenario: str, dataset: str, vaults: Path) -> Dataset:
    """Read a Vault; make that of a named mixture first where it is missing. "quick-NAME" is a small one of NAME.

    Args:
        scenario: of the data.
        dataset: name of the Vault.
        vaults: folder of the Vaults.

    Returns:
        What the Vault holds.

    Raises:
        ValueError: if the Vault is damaged, or missing and of no known mixture.
    """
    path = vaults / "mamujoco" / f"{scenario}.vlt" / dataset
    mixture = dataset.removeprefix("quick-")
    if path.exists():
        return _read_episodes(path, scenario)
    known = [name for name, sources in MIXTURES.items() if load_source(sources[0])[0] == scenario]
    if mixture not in known:
        others = f", or choose one of {', '.join(known)}" if known else ""
        raise ValueError(f"there is no Vault at {path}: make it with `pjap dataset make`{others}")
    quick = mixture != dataset
    settings = MixtureSettings(sources=MIXTURES[mixture], transitions=5000, copies=5) if quick else MixtureSettings()
    return _read_episodes(make_vault(dataset, settings, vaults), scenario)


# The report


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Read all result files of a folder.

    Args:
        folder: of the result files.

    Returns:
        A dict for each file, in the files' alphabetical order, with keys `run`, `settings`, `data`, `curve` and
        `provenance`.

    Raises:
        ValueError: if there is none, or one is damaged.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise ValueError(f"{folder} holds no results: run `pjap experiment run` first, or name another folder")
    return [_read_result(path) for path in paths]


def _read_result(path: Path) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads(path.read_text())
        require_json(result, RESULT)
        require_json(result, {"run.scenario": "a text"}, optional=True)
        if not result["curve"]:
            raise ValueError("its curve is empty")
        for point in result["curve"]:
            require_json(point, POINT)
    except ValueError as error:
        raise ValueError(f"{path} is not a whole result ({error}): delete it and run the sweep again") from error
    return result


def final(result: dict[str, Any], quantity: str, share: float = 0.2) -> float:
    """Mean of a quantity over the last part of a run's curve.

    Args:
        result: as read.
        quantity: "return", or one of the learner's metrics.
        share: of the evaluations, the last ones; at least one is taken.

    Returns:
        The mean.
    """
    values = [point[quantity] for point in result["curve"]]
    return float(np.mean(values[-max(1, round(share * len(values))) :]))


def report(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare methods with uniform sampling in the same place, paired by seed.

    A place is a dataset, a learner, a number of updates and the settings that are common to all methods there (see
    `split_variant`). The score of a run is its return at the end (see `final`), divided by the size of the mean return
    of the data's episodes.

    Args:
        results: as read.

    Returns:
        A row for each place and method: `dataset`, `learner`, `common`, `updates`, `method`, `seeds`, estimates of
        `IQM` and `mean` score (the median is over tasks, and needs several of them) and of `distance` (mean sampled, at
        the end), and, where there are uniform runs to compare with, of `difference` in score and `improvement` (its
        probability). An estimate is None where there are fewer than two seeds.
    """
    places = group(results)
    return [
        dict(zip(PLACE, place, strict=True)) | _row(method, by_seed, methods.get("uniform", {}))
        for place, methods in sorted(places.items())
        for method, by_seed in sorted(methods.items())
    ]


Place = tuple[str, str, str, int]
PLACE = ("dataset", "learner", "common", "updates")


def group(results: Iterable[dict[str, Any]]) -> dict[Place, dict[str, dict[int, dict[str, Any]]]]:
    """Sort results by place, method and seed; see `report`.

    Args:
        results: as read.

    Returns:
        `group(results)[dataset, learner, common, updates][method][seed]` is a result. Where the results are of several
        scenarios, the dataset's name is SCENARIO/DATASET.

    Raises:
        ValueError: if two results are of different data of the same name.
    """
    first: dict[tuple[str, str], dict[str, Any]] = {}
    places: dict[Place, dict[str, dict[int, dict[str, Any]]]] = {}
    results = list(results)
    several = len({_scenario_of(result) for result in results}) > 1
    for result in results:
        run = result["run"]
        known = first.setdefault((_scenario_of(result), run["dataset"]), result["data"])
        if not _same_data(known, result["data"]):
            raise ValueError(
                f"the results on {run['dataset']} are of different data: {_words(known)}, and {_words(result['data'])} "
                f"with seed {run['seed']} of {run['learner']} {run['variant']}: keep those of one Vault"
            )
        method, common = split_variant(run["variant"])
        dataset = f"{_scenario_of(result)}/{run['dataset']}" if several else run["dataset"]
        place = (dataset, run["learner"], common, run["updates"])
        places.setdefault(place, {}).setdefault(method, {})[run["seed"]] = result
    return places


def _scenario_of(result: dict[str, Any]) -> str:
    """Older versions did not record it: there was one."""
    return str(result["run"].get("scenario", Run.scenario))


def own_settings(place: Place, places: Iterable[Place]) -> list[str]:
    """The common settings that tell a place from the others with its dataset and learner, for labels.

    Args:
        place: one of `places`.
        places: as `group` has them.

    Returns:
        Those that not all of the others share.

    Example:
        >>> own_settings(("good", "bc", "width=64", 9), [("good", "bc", "width=64", 9), ("good", "bc", "", 9)])
        ['width=64']
    """
    alike = [other for other in places if other[:2] == place[:2]]
    shared = set.intersection(*(set(other[2].split(",")) for other in alike))
    return [setting for setting in place[2].split(",") if setting and setting not in shared]


def _row(method: str, by_seed: dict[int, dict[str, Any]], uniform: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """What the report says of one method, beside uniform sampling in the same place."""
    scores, baseline = ({seed: _score(result) for seed, result in each.items()} for each in (by_seed, uniform))
    enough = len(scores) >= 2
    compared = method != "uniform" and len(set(scores) & set(baseline)) >= 2
    values, others = list(scores.values()), list(baseline.values())
    distances = [final(result, "distance") for result in by_seed.values()]
    aggregates = statistics.aggregate(values) if enough else {}
    return {
        "method": method,
        "seeds": sorted(scores),
        "IQM": aggregates.get("IQM"),
        "mean": aggregates.get("mean"),
        "distance": statistics.aggregate(distances)["mean"] if enough else None,
        "difference": statistics.paired_difference(scores, baseline) if compared else None,
        "improvement": statistics.probability_of_improvement(values, others) if compared else None,
    }


def _score(result: dict[str, Any]) -> float:
    mean = float(result["data"]["returns"]["mean"])
    if not mean:
        raise ValueError("the mean return of the data is 0, and scores are divided by it")
    return final(result, "return") / abs(mean)  # of its size, so that more return is always a higher score


def format_report(rows: Sequence[dict[str, Any]]) -> str:
    """The report as a plain-text table, one line a row.

    Args:
        rows: what `report` returns.

    Returns:
        The table, without a newline at its end.
    """
    columns = [*PLACE, "method", "seeds", "IQM", "mean", "distance", "difference", "improvement"]
    table = [columns]
    for row in rows:
        cells = {**row, "common": row["common"] or "-", "seeds": len(row["seeds"])}
        table.append(["-" if cells[column] is None else str(cells[column]) for column in columns])
    widths = [max(len(line[i]) for line in table) for i in range(len(columns))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table)
