"""The `pjap` command: train behaviour teams, make and check datasets.

Every command is a function; its arguments are the command's options, its docstring is the command's help. A group of
commands is one more `SubcommandApp` that is registered in `app`.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.extras import SubcommandApp

from pjap.mamujoco import behaviour, dataset

app = SubcommandApp()
behaviour_commands = app.command(SubcommandApp(), name="behaviour", help="Train the teams that make the data.")
dataset_commands = app.command(SubcommandApp(), name="dataset", help="Make and check datasets.")


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
    command = " ".join(["pjap", *sys.argv[1:]])
    for path in behaviour.train(settings, out, checkpoints / f"{name}.npz", command):
        returns = behaviour.load_team(path).provenance["evaluation"]
        print(f"{path}: return {returns['mean']:.0f} +- {returns['std']:.0f} in {returns['episodes']} episodes")


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


def to_json(description: dict[str, Any]) -> str:
    """Format a description for a script."""
    return json.dumps(description)


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
    except (ValueError, OSError) as error:
        print(f"pjap: error: {error}", file=sys.stderr)
        return 1
    return 0
