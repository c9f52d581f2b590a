"""Time environment steps: ours and Gymnasium-Robotics' with the same policy in both loops, and bare MuJoCo.

Run it alone on the machine: `python benchmarks/environment.py`. Every repetition times all loops one after the other,
so that a ratio compares loops that met the same weather; printed are the medians of the ratios and their range.
What a robot does decides how long its contacts take to solve: the policy is a trained team where one ships, and bare
MuJoCo repeats exactly the steps that ours has just made, without policy, observations or rewards.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import mujoco
import numpy as np

from pjap.mamujoco.behaviour import act, list_teams, load_team
from pjap.mamujoco.environment import Environment, make_library_environment
from pjap.mamujoco.networks import Layers, init_policies


def time_loop(loop: Callable[[], None], steps: int) -> float:
    start = time.perf_counter()
    loop()
    return steps / (time.perf_counter() - start)


def choose_policies(environment: Environment, width: int) -> list[Layers]:
    """The first team that ships with the package, or an untrained one."""
    teams = list_teams(environment.scenario)
    if teams:
        return load_team(teams[0]).policies
    layout = environment.layout
    return init_policies(jax.random.key(0), layout.agents, layout.observation_size, layout.action_size, width)


def make_loops(scenario: str, copies: int, threads: int, steps: int, width: int) -> dict[str, Callable[[], None]]:
    """Build the loops; each makes `steps` environment steps in all, less than an episode of every copy of ours."""
    ours = Environment(scenario, copies, seed=0, threads=threads)
    library = make_library_environment(scenario)
    policies = choose_policies(ours, width)
    weights = jax.tree.map(np.asarray, policies)
    bare = [mujoco.MjData(ours.model) for _ in range(copies)]
    starts: list[tuple[np.ndarray, np.ndarray]] = []
    controls: list[np.ndarray] = []
    pool = ThreadPoolExecutor(threads)

    def act_numpy(observations: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The same policy, one copy: faster in NumPy than through a compiled call, so the peer gets its best."""
        actions = {}
        for layers, (agent, hidden) in zip(weights, observations.items(), strict=True):
            hidden = hidden[: len(layers[0]["weight"])].astype(np.float32)
            for layer in layers[:-1]:
                hidden = np.maximum(hidden @ layer["weight"][: len(hidden)] + layer["bias"], 0)
            actions[agent] = np.tanh(hidden @ layers[-1]["weight"] + layers[-1]["bias"])
        return actions

    def run_ours() -> None:
        ours.reset(np.ones(copies, bool))
        starts[:] = [(data.qpos.copy(), data.qvel.copy()) for data in ours.data]
        controls.clear()
        for _ in range(steps // copies):
            _, terminals, truncations = ours.step(act(policies, ours.observations.astype(np.float32)))
            controls.append(np.stack([data.ctrl for data in ours.data]))
            ours.reset(terminals | truncations)

    def run_library() -> None:
        observations, _ = library.reset(seed=0)
        for _ in range(steps):
            observations, _, terminals, truncations, _ = library.step(act_numpy(observations))
            if terminals["agent_0"] or truncations["agent_0"]:
                observations, _ = library.reset()

    def run_bare() -> None:
        def repeat(block: np.ndarray) -> None:
            for copy in block:
                data = bare[copy]
                mujoco.mj_resetData(ours.model, data)
                data.qpos[:], data.qvel[:] = starts[copy]
            for control in controls:
                for copy in block:
                    bare[copy].ctrl[:] = control[copy]
                    mujoco.mj_step(ours.model, bare[copy], nstep=ours.frame_skip)

        list(pool.map(repeat, np.array_split(np.arange(copies), threads)))

    return {"ours": run_ours, "mamujoco_v1": run_library, "bare mj_step": run_bare}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="2halfcheetah")
    parser.add_argument("--copies", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--steps", type=int, default=32_000, help="environment steps of each loop in a repetition")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--width", type=int, default=128, help="hidden units of an untrained policy")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()

    loops = make_loops(options.scenario, options.copies, options.threads, options.steps, options.width)
    time_loop(loops["ours"], options.steps)  # compile
    rates = {name: np.empty(options.repetitions) for name in loops}
    for repetition in range(options.repetitions):
        for name, loop in loops.items():
            rates[name][repetition] = time_loop(loop, options.steps)
    ratios = {name: rates["ours"] / rates[name] for name in loops if name != "ours"}
    summary = {
        "settings": vars(options),
        "steps a second": {name: summarise(rate) for name, rate in rates.items()},
        "ours as a multiple of": {name: summarise(ratio) for name, ratio in ratios.items()},
    }
    if options.json:
        print(json.dumps(summary))
        return
    print(
        f"{options.scenario}, {options.copies} copies on {options.threads} threads, {options.repetitions} repetitions"
    )
    for title in ("steps a second", "ours as a multiple of"):
        for name, (low, median, high) in summary[title].items():
            print(f"  {title} {name:14} {median:10,.2f}   from {low:,.2f} to {high:,.2f}")


def summarise(values: np.ndarray) -> tuple[float, float, float]:
    """Smallest, median and largest."""
    return float(values.min()), float(np.median(values)), float(values.max())


if __name__ == "__main__":
    main()
