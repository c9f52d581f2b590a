"""Time environment steps: ours, Gymnasium-Robotics' and bare MuJoCo, with a policy in both loops.

Run it alone on the machine: `python benchmarks/environment.py`. Every repetition times all loops one after the other,
so that a ratio compares loops that met the same weather; printed are the medians of the ratios and their range.
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

from pjap.mamujoco.behaviour import act
from pjap.mamujoco.environment import Environment, make_library_environment
from pjap.mamujoco.networks import init_policies


def time_loop(loop: Callable[[], None], steps: int) -> float:
    start = time.perf_counter()
    loop()
    return steps / (time.perf_counter() - start)


def make_loops(scenario: str, copies: int, threads: int, steps: int, width: int) -> dict[str, Callable[[], None]]:
    """Build the loops; each makes `steps` environment steps in all."""
    ours = Environment(scenario, copies, seed=0, threads=threads)
    library = make_library_environment(scenario)
    layout = ours.layout
    policies = init_policies(jax.random.key(0), layout.agents, layout.observation_size, layout.action_size, width)
    weights = jax.tree.map(np.asarray, policies)
    bare = [mujoco.MjData(ours.model) for _ in range(copies)]
    pool = ThreadPoolExecutor(threads)
    blocks = np.array_split(np.arange(copies), threads)
    rng = np.random.default_rng(0)
    library.reset(seed=0)

    def act_numpy(observations: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The same policy, one copy: faster in NumPy than through a compiled call, so the peer gets its best."""
        actions = {}
        for layers, (agent, hidden) in zip(weights, observations.items(), strict=True):
            for layer in layers[:-1]:
                hidden = np.maximum(hidden.astype(np.float32) @ layer["weight"] + layer["bias"], 0)
            actions[agent] = np.tanh(hidden @ layers[-1]["weight"] + layers[-1]["bias"])
        return actions

    def run_ours() -> None:
        for _ in range(steps // copies):
            _, terminals, truncations = ours.step(act(policies, ours.observations.astype(np.float32)))
            ours.reset(terminals | truncations)

    def run_library() -> None:
        observations, _ = library.reset()
        for _ in range(steps):
            observations, _, terminals, truncations, _ = library.step(act_numpy(observations))
            if terminals["agent_0"] or truncations["agent_0"]:
                observations, _ = library.reset()

    def run_bare() -> None:
        controls = rng.uniform(-1, 1, (copies, ours.model.nu))

        def step_block(block: np.ndarray) -> None:
            for _ in range(steps // copies):
                for copy in block:
                    bare[copy].ctrl[:] = controls[copy]
                    mujoco.mj_step(ours.model, bare[copy], nstep=ours.frame_skip)

        list(pool.map(step_block, blocks))

    return {"ours": run_ours, "mamujoco_v1": run_library, "bare mj_step": run_bare}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="2halfcheetah")
    parser.add_argument("--copies", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--steps", type=int, default=32_000, help="environment steps of each loop in a repetition")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--width", type=int, default=128, help="hidden units of the policy in both loops")
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
