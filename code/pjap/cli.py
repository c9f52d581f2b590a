"""The `pjap` command: train behaviour teams, make and check datasets, run and report the experiment, grade assignments.

Every command is a function; its arguments are the command's options, its docstring is the command's help. A group of
commands is one more `SubcommandApp` that is registered in `app`.
"""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.extras import SubcommandApp

from pjap.mamujoco import behaviour, dataset, experiment

app = SubcommandApp()
behaviour_commands = app.command(SubcommandApp(), name="behaviour", help="Train the teams that make the data.")
dataset_commands = app.command(SubcommandApp(), name="dataset", help="Make and check datasets.")
experiment_commands = app.command(SubcommandApp(), name="experiment", help="Run learners on datasets and compare.")


@behaviour_commands.command(name="train")
def train_behaviour(
    settings: Annotated[behaviour.TrainingSettings, tyro.conf.arg(name="")],
    out: Path = Path("runs/teams"),
    checkpoints: Path = Path("runs/behaviour"),
) -> None:
    """Train a team online with MATD3 and write its Good and its Medium version.

    Ctrl-C saves a checkpoint; the same command then continues the run.

    Args:
        settings: what to compute.
        out: folder for the teams' weights (.npz) and provenance (.json).
        checkpoints: folder for the unfinished run.
    """
    name = f"{settings.scenario}-{settings.seed}"
    for path in behaviour.train(settings, out, checkpoints / f"{name}.npz", command_line()):
        returns = behaviour.load_team(path).provenance["evaluation"]
        print(f"{path}: return {returns['mean']:.0f} +- {returns['std']:.0f} in {returns['episodes']} episodes")


@behaviour_commands.command(name="film")
def film_behaviour(
    source: tyro.conf.Positional[str],
    out: tyro.conf.Positional[Path],
    frames: int = 100,
    seed: int = 0,
    width: int = 320,
    height: int = 240,
) -> None:
    """Film the beginning of an episode. Without a display, set MUJOCO_GL=egl or MUJOCO_GL=osmesa.

    Args:
        source: a shipped team, the path of an .npz, or TEAM+TEAM for crossed teams.
        out: the .mp4 to write; its provenance goes to the .json beside it.
        frames: one for each environment step.
        seed: of the reset state.
        width: in pixels.
        height: in pixels.
    """
    from pjap.mamujoco.film import film_team  # needs imageio-ffmpeg, which nothing else here does

    total = film_team(source, out, frames, seed, width, height, command_line())
    print(f"{out}: {out.stat().st_size // 1000} kB, return {total:.0f} in {frames} steps")


@dataset_commands.command(name="make")
def make_dataset(
    name: tyro.conf.Positional[str],
    settings: Annotated[dataset.MixtureSettings, tyro.conf.arg(name="")],
    out: Path = dataset.DEFAULT_FOLDER,
) -> None:
    """Roll behaviour teams out with action noise and write a flashbax Vault in OG-MARL's format.

    Args:
        name: one of the named mixtures, or, with --sources, a name of your own.
        settings: what the dataset is made of.
        out: folder for the Vaults.
    """
    print(dataset.make_vault(name, settings, out))


@dataset_commands.command(name="check")
def check_dataset(path: tyro.conf.Positional[Path], scenario: str | None = None, json: bool = False) -> None:
    """Validate a Vault and describe what it holds.

    Args:
        path: the Vault's own folder, which holds metadata.json.
        scenario: fail unless it is of this one.
        json: print JSON.
    """
    description = dataset.describe(dataset.read_vault(path, scenario))
    print(to_json(description) if json else to_text(description))


@experiment_commands.command(name="run")
def run_experiment(
    sweep: Annotated[experiment.Sweep, tyro.conf.arg(name="")],
    vaults: Path = dataset.DEFAULT_FOLDER,
    results: Path = experiment.RESULTS,
    workers: int = 1,
    scheduler: str | None = None,
) -> None:
    """Train every learner with every variant on every dataset and seed, and write a result file for each.

    Does only what is missing; after Ctrl-C, the same command goes on. What another process is doing is left to it.

    Args:
        sweep: what to do.
        vaults: folder of the Vaults.
        results: folder of the result files.
        workers: processes on this machine; a run keeps one core busy.
        scheduler: address of a Dask scheduler, as in tcp://host:8786; then its workers do the runs.
    """
    experiment.run_sweep(sweep, vaults, results, workers, scheduler, command_line())


@experiment_commands.command(name="report")
def report_experiment(results: Path = experiment.RESULTS, json: bool = False) -> None:
    """Compare the variants of each learner on each dataset with uniform sampling, with 95% intervals.

    Scores are final returns, divided by the size of the mean return of the data. The interval of the difference is
    Student's; the others are a bootstrap's, which are too short below about ten seeds.

    Args:
        results: folder of the result files.
        json: print JSON.
    """
    rows = experiment.report(experiment.read_results(results))
    print(to_json(rows) if json else experiment.format_report(rows))


@app.command(name="grade")
def grade_folder(
    folder: tyro.conf.Positional[Path],
    autograder: Path,
    out: Path | None = None,
    timeout: float = 30.0,
    memory: int = 3000,
    total: float = 600.0,
) -> None:
    """Grade a folder of submissions to an assignment: a table of marks, and a report for each student.

    Each submission runs in a process of its own, in an empty folder, under limits. It runs as you: it can read what you
    can read. Whoever does not trust the students grades on another account or machine.

    Args:
        folder: of the submissions: one notebook a student, or one folder with a notebook in it.
        autograder: the assignment's autograder.zip, from `make assignments`.
        out: folder for marks.csv and reports; FOLDER-marked by default.
        timeout: seconds of computing for a cell of a notebook, or for a call that a check makes.
        memory: megabytes of address space for each submission.
        total: seconds by the clock for a whole submission; what was checked until then counts.
    """
    from pjap.grading import grade, submission  # needs otter-grader, which nothing else here does

    out = out or folder.absolute().with_name(f"{folder.absolute().name}-marked")
    marks = grade.grade_folder(folder, autograder, out, submission.Limits(timeout, memory, total))
    print(f"{len(marks)} submissions: {out / 'marks.csv'} and {out / 'reports'}")


def command_line() -> str:
    """How this process was started, for the record."""
    return shlex.join(["pjap", *sys.argv[1:]])


def to_json(description: Any) -> str:
    """Format a description for a script.

    Args:
        description: what JSON holds.

    Returns:
        The text.
    """
    return json.dumps(description, default=asdict)


def to_text(description: dict[str, Any], indent: str = "") -> str:
    """Format a description for a reader: one line for each entry, entries of entries indented."""
    lines = []
    for name, value in description.items():
        label = f"{indent}{name.replace('_', ' ')}"
        lines.append(f"{label}\n{to_text(value, indent + '  ')}" if isinstance(value, dict) else f"{label}: {value}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the program's name; the process's own by default.

    Returns:
        The exit status: 0; 1 after bad input or a file that cannot be read or written; 130 after Ctrl-C.
    """
    try:
        app.cli(prog="pjap", description="Coordination failure in offline MARL: the scaled experiment.", args=arguments)
    except KeyboardInterrupt as stop:
        print(f"\npjap: {stop if str(stop) else 'stopped'}", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        print(
            f"pjap: error: this needs {error.name}, which is not installed: pip install {error.name}", file=sys.stderr
        )
        return 1
    except BrokenPipeError:  # whoever reads what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"pjap: error: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, (MemoryError, BrokenExecutor)) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        first = str(error).partition("\n")[0]
        print(
            f"pjap: error: out of memory, or a process was killed ({first}): use fewer --workers or a smaller "
            "batch_size; the same command goes on with what is missing",
            file=sys.stderr,
        )
        return 1
    return 0
