"""Train the bridge games of chapter 8 over many seeds and write `book/results/bridge.json`.

    python tools/bridge_results.py                 50 seeds, about half an hour of one core
    python tools/bridge_results.py --seeds 60      only the runs that are missing

Every combination of game, data, critic and update is run for a seed before the next seed starts, and the file is
written, whole, after each seed: it can be stopped at any time and goes on where it stopped, also with a new update
rule. A file whose runs had other settings is refused.
"""

import argparse
import json
import platform
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby, product
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from pjap.files import write_json
from pjap.mamujoco import bridge, learner, replay
from pjap.mamujoco.bridge import Behaviour, Game
from pjap.mamujoco.learner import Settings

RESULTS = Path(__file__).resolve().parent.parent / "book" / "results" / "bridge.json"

SEEDS, TRANSITIONS, UPDATES = 50, 4000, 3000
GAMES: dict[str, Game] = {"twin peaks": bridge.contextual_twin_peaks(), "push": bridge.PushGame()}
TEAMS: dict[tuple[str, str], list[Behaviour]] = {
    ("twin peaks", "random"): [bridge.random_team],
    ("twin peaks", "two teams"): [bridge.peak_team(1), bridge.peak_team(-1)],
    ("push", "random"): [bridge.random_team],
    ("push", "two teams"): [bridge.push_team(1), bridge.push_team(-1)],
}
UPDATE_RULES: dict[str, dict[str, Any]] = {
    "uniform": {},
    "PJAP": {"sampling": "pjap", "steepness": 10.0},
    "PJAP, steepness 4": {"sampling": "pjap", "steepness": 4.0},
    "current": {"partners": "current"},
}
NAMES = ("game", "data", "critic", "update", "seed")
VALUE_WEIGHTS = {"exact": 1e6, "fitted": 1e6, "fitted, clone": 2.5}
"""The value's weight against the clone term: without the term all but infinite, with it that of TD3+BC."""


def make_settings(critic: str, rule: str) -> Settings:
    """The learner's settings: those of `bc`, smaller and faster, with or without its clone term.

    Args:
        critic: "exact", the truth; "fitted", learnt; "fitted, clone", learnt, with the clone term in the policy loss.
        rule: one of `UPDATE_RULES`.
    """
    return learner.default_settings(
        "bc",
        width=32,
        batch_size=128,
        critic_learning_rate=1e-3,
        policy_learning_rate=1e-3,
        target_rate=0.02,
        policy_delay=1,
        normalise=False,
        value_weight=VALUE_WEIGHTS[critic],
        **UPDATE_RULES[rule],
    )


def train_once(game_name: str, data_name: str, critic: str, rule: str, seed: int) -> dict[str, Any]:
    """Train one team on data of its own, and measure its true return over 2048 fixed starts."""
    game, teams = GAMES[game_name], TEAMS[game_name, data_name]
    settings = make_settings(critic, rule)
    dataset = bridge.make_dataset(game, teams, TRANSITIONS // (len(teams) * game.horizon), seed)
    data = replay.load(dataset, normalise=settings.normalise)
    exact = bridge.exact_critic(game) if critic == "exact" else None
    state, metrics = learner.train(settings, learner.init(settings, data, seed), data, UPDATES, exact)
    starts = jnp.asarray(game.start(np.random.default_rng(2**20), 2048))
    measured = {
        "return": float(bridge.team_return(game, state.policies, starts)),
        "data_return": float(dataset.rewards.sum() * game.horizon / TRANSITIONS),
        "distance": metrics["distance"],
        "effective_sample_size": metrics["effective_sample_size"],
        "believed_value": metrics["policy_value"],
    }
    names = dict(zip(NAMES, (game_name, data_name, critic, rule, seed), strict=True))
    return names | {name: round(value, 4) for name, value in measured.items()}


def in_common() -> dict[str, Any]:
    """What all runs of a file share."""
    settings = asdict(make_settings("exact", "uniform"))
    apart = {"rules": UPDATE_RULES, "value_weights": VALUE_WEIGHTS}
    return {"transitions": TRANSITIONS, "updates": UPDATES, "settings": settings, **apart}


def _flat(content: dict[str, Any]) -> dict[str, Any]:
    """Transitions, updates and each setting, rule and weight by its name, as JSON gives them back."""
    kept = {"transitions": content["transitions"], "updates": content["updates"]}
    kept |= content["settings"] | content["rules"] | content["value_weights"]
    flat: dict[str, Any] = json.loads(json.dumps(kept))
    return flat


def read_before(path: Path) -> dict[str, Any]:
    """The file as it was left, or one without runs.

    Raises:
        SystemExit: If its runs had other settings than today's, which must not be mixed.
    """
    if not path.exists():
        return {"runs": [], "provenance": {}}
    before: dict[str, Any] = json.loads(path.read_text())
    # A setting that the file does not name is younger than its runs: they had what is now its default. A rule or weight
    # is younger, too, or the file is older than their record.
    today = {"settings": asdict(Settings()), "rules": UPDATE_RULES, "value_weights": VALUE_WEIGHTS}
    then = _flat({**before, **{name: {**kept, **before.get(name, {})} for name, kept in today.items()}})
    now = _flat(in_common())
    names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    if names:
        changed = ", ".join(f"{name} {then.get(name)} (now {now.get(name)})" for name in names)
        raise SystemExit(
            f"the runs in {path} have other settings, {changed}, expected today's: start anew in another file with "
            "--output, or move this one away"
        )
    return before


def missing(runs: list[dict[str, Any]], seeds: int) -> list[tuple[str, str, str, str, int]]:
    """The runs, by their `NAMES`, that are still to be made, those of a seed side by side."""
    wanted = [
        (*where, critic, rule, seed)
        for seed, where, critic, rule in product(range(seeds), TEAMS, VALUE_WEIGHTS, UPDATE_RULES)
        if critic != "fitted, clone" or "two teams" in where  # there is nothing to clone in random play
    ]
    done = {tuple(run[name] for name in NAMES) for run in runs}
    return [names for names in wanted if names not in done]


def main() -> None:
    """Make the runs that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many: 0 to one less")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()

    before = read_before(arguments.output)
    runs, seconds = before["runs"], before["provenance"].get("seconds", 0.0)
    by_seed = groupby(missing(runs, arguments.seeds), key=lambda names: names[-1])
    for _, of_seed in tqdm([(seed, list(of_seed)) for seed, of_seed in by_seed], unit=" seeds"):
        started = time.process_time()
        runs += [train_once(*names) for names in of_seed]
        runs.sort(key=lambda run: run["seed"])
        seconds += time.process_time() - started
        provenance = {
            "command": f"python tools/bridge_results.py --seeds {len({run['seed'] for run in runs})}",
            "date": datetime.now(UTC).date().isoformat(),
            "seconds": round(seconds, 1),
            "seconds_are": "processor time of one core, compilation included",
            "versions": {name: version(name) for name in ("pjap", "jax", "optax", "numpy")},
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}, {jax.default_backend()}",
        }
        write_json(arguments.output, {"provenance": provenance, **in_common(), "runs": runs})


if __name__ == "__main__":
    main()
