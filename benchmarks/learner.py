"""Time the learners: against the processor's limit, uniform against PJAP, and against an unfused loop with flashbax.

Run it alone on the machine: `python benchmarks/learner.py`. Everything runs on one core, in one process. Every
repetition times all programs one after the other, so that a ratio compares programs that met the same weather; printed
are the medians of the ratios and their range.

- *Limit*: the matrix products of an update, counted in the traced program with the lengths of its loops, and nothing
  else: activations, optimiser, sampling and the sum tree take no time. Two limits differ in how fast products are:
  each as fast as it is alone, in its own shape, in the same repetition; or all as fast as one large product.
- *Unfused*: the same jitted steps in a Python loop with flashbax's prioritised buffer in the place of our replay.
- *Size*: drawing a batch and re-scoring a block, from 10^4 to 10^6 transitions, and their share of an update's time.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any
from unittest import mock

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import flashbax
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params
from jax.interpreters.partial_eval import dce_jaxpr

from pjap.mamujoco import learner, networks, replay
from pjap.mamujoco.dataset import Dataset
from pjap.mamujoco.learner import Settings, State
from pjap.mamujoco.replay import Data
from pjap.priorities import proximal_priorities

UPDATES = {"bc": 2000, "cql": 200, "recurrent-cql": 200}
"""Updates in one timing of each learner: a few seconds, next to which what `train` measures at its end is little."""


def random_data(transitions: int) -> Data:
    """A dataset of 2halfcheetah's shapes; how fast a learner is does not depend on what the numbers are."""
    rng = np.random.default_rng(0)
    ends = np.arange(1, transitions + 1) % 1000 == 0
    dataset = Dataset(
        scenario="2halfcheetah",
        observations=rng.normal(size=(transitions, 2, 12)).astype(np.float32),
        actions=rng.uniform(-1, 1, (transitions, 2, 3)).astype(np.float32),
        rewards=rng.normal(size=transitions).astype(np.float32),
        terminals=np.zeros(transitions, np.float32),
        truncations=ends.astype(np.float32),
        state=rng.normal(size=(transitions, 17)).astype(np.float32),
    )
    return replay.load(dataset)


# The limit


Product = tuple[tuple[int, ...], tuple[int, ...], Any]
"""Shapes of the left and the right side, and the axes that are contracted and batched, as `dot_general` takes them."""


def matrix_products(program: Callable[..., Any], *arguments: Any) -> Counter[Product]:
    """How often each matrix product is done, loops of known length unrolled, dead code left out.

    A loop of unknown length counts as one turn. What a layer computes a second time, to spare a transposition, does not
    count: it is our program's choice.
    """
    once = networks.product
    with mock.patch.object(networks, "product", lambda inputs, weight, transposed=None: once(inputs, weight)):
        traced = jax.make_jaxpr(program)(*arguments).jaxpr
    return _products(dce_jaxpr(traced, [True] * len(traced.outvars))[0])


def _products(program: Any) -> Counter[Product]:
    found: Counter[Product] = Counter()
    for equation in program.eqns:
        if equation.primitive.name == "dot_general":
            left, right = (side.aval.shape for side in equation.invars)
            found[left, right, equation.params["dimension_numbers"]] += 1
        turns = equation.params["length"] if equation.primitive.name == "scan" else 1
        for inner in jaxprs_in_params(equation.params):
            found.update({product: turns * times for product, times in _products(inner).items()})
    return found


def operations(product: Product) -> float:
    """Floating-point operations of one matrix product."""
    left, right, ((_, contracted), (_, batched)) = product
    free = [length for axis, length in enumerate(right) if axis not in (*contracted, *batched)]
    return 2.0 * float(np.prod(left) * np.prod(free))


def products_of_an_update(settings: Settings, state: State, data: Data) -> dict[Product, float]:
    """Of one critic update with its share of policy updates and re-scoring; without what is measured at the end."""

    def block(state: State) -> State:
        state = state._replace(priorities=learner._refresh(settings, data, state))
        turns = settings.refresh_every // settings.policy_delay
        return jax.lax.scan(lambda state, _: learner._update(settings, data, None, state), state, length=turns)[0]

    return {product: times / settings.refresh_every for product, times in matrix_products(block, state).items()}


def repeated(product: Product) -> tuple[Callable[[], Any], int]:
    """A program that does one matrix product over and over, on inputs that stay in the cache, and how often it does."""
    left, right, dimensions = product
    times = max(10, int(2e8 / operations(product)))
    inputs, weight = jnp.ones((4, *left), jnp.float32), jnp.ones(right, jnp.float32)

    @jax.jit
    def repeat(inputs: jax.Array, weight: jax.Array) -> jax.Array:
        def once(_: jax.Array, turn: jax.Array) -> tuple[jax.Array, None]:
            return jax.lax.dot_general(inputs[turn % 4], weight, dimensions), None

        first = jax.lax.dot_general(inputs[0], weight, dimensions)
        return jax.lax.scan(once, first, jnp.arange(1, times))[0]

    repeat(inputs, weight)
    return lambda: repeat(inputs, weight).block_until_ready(), times


@jax.jit
def multiply(left: jax.Array, right: jax.Array) -> jax.Array:
    return left @ right


def matrix_rate(size: int = 1024) -> float:
    """Floating-point operations a second of a large float32 matrix product."""
    matrix = jnp.ones((size, size), jnp.float32)
    multiply(matrix, matrix).block_until_ready()
    return 2.0 * size**3 / seconds_of(lambda: multiply(matrix, matrix).block_until_ready())


def seconds_of(program: Callable[[], Any], times: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(times):
        program()
    return (time.perf_counter() - start) / times


# The programs


def fused(settings: Settings, data: Data, updates: int) -> Callable[[], Any]:
    """Our compiled loop; what `train` measures at its end is timed too, once."""
    state = learner.init(settings, data, 0)
    learner.train(settings, state, data, updates)
    return lambda: learner.train(settings, state, data, updates)


def unfused(settings: Settings, data: Data, updates: int) -> Callable[[], Any]:
    """The same steps of a feed-forward learner with PJAP, one compiled call each, and flashbax's prioritised buffer."""
    buffer = flashbax.make_prioritised_trajectory_buffer(
        add_batch_size=1,
        sample_batch_size=settings.batch_size,
        sample_sequence_length=2,
        period=1,
        min_length_time_axis=2,
        max_length_time_axis=data.steps,
        priority_exponent=settings.exponent,
        device="cpu",
    )
    rows = data.rows[: data.steps]
    buffered = jax.jit(buffer.add)(buffer.init({"row": rows[0]}), {"row": rows[None]})
    sample = jax.jit(buffer.sample)
    set_priorities = jax.jit(buffer.set_priorities, donate_argnums=0)
    update_critics = jax.jit(partial(learner.update_critics, settings))
    update_policies = jax.jit(partial(learner.update_policies, settings, exact=None))
    read = jax.jit(lambda batch: replay.split(data, jnp.swapaxes(batch, 0, 1)))
    key = jax.random.key(0, impl=learner.GENERATOR)
    take_keys = jax.jit(lambda key: jax.random.split(key, 4))

    @jax.jit
    def score_block(policies: Any, position: Any) -> tuple[jax.Array, jax.Array]:
        indices = (position + jnp.arange(settings.refresh_size)) % (data.steps - 1)
        distances = learner.score(settings, data, policies, indices)
        return indices, proximal_priorities(distances, steepness=settings.steepness, floor=settings.floor)

    state, position = learner.init(settings, data, 0)._replace(priorities=None), 0

    def loop() -> None:
        nonlocal buffered, key, state, position
        for update in range(updates):
            if update % settings.refresh_every == 0:
                indices, priorities = score_block(state.target_policies, position)
                buffered = set_priorities(buffered, indices, priorities)
                position = (position + settings.refresh_size) % (data.steps - 1)
            key, sample_key, critic_key, _ = take_keys(key)
            steps = read(sample(buffered, sample_key).experience["row"])
            state, _ = update_critics(state, steps, critic_key)
            if update % settings.policy_delay == settings.policy_delay - 1:
                state, _ = update_policies(state, steps)
        jax.block_until_ready(state)

    loop()
    return loop


# What depends on the size of the data


def replay_programs(settings: Settings, data: Data) -> dict[str, Callable[[], Any]]:
    """Drawing one batch and re-scoring one block, as often as an update does, and re-scoring everything."""
    state = learner.init(settings, data, 0)
    keys = jax.random.split(jax.random.key(0, impl=learner.GENERATOR), 100)

    priorities = learner.init(settings, data, 0).priorities

    @jax.jit
    def draw_many(priorities: Any) -> Any:
        return jax.lax.map(lambda key: learner._draw(settings, data, priorities, key), keys)

    @partial(jax.jit, donate_argnums=0)  # as inside the training loop, the sum tree is changed in place
    def refresh_many(priorities: Any) -> Any:
        def again(priorities: Any, _: None) -> tuple[Any, None]:
            return learner._refresh(settings, data, state._replace(priorities=priorities)), None

        return jax.lax.scan(again, priorities, length=10)[0]

    score_all = jax.jit(lambda policies: learner._score_all(settings, data, policies, keys[0]))

    def refresh() -> None:
        nonlocal priorities
        priorities = jax.block_until_ready(refresh_many(priorities))

    programs = {
        "draw a batch": lambda: jax.block_until_ready(draw_many(priorities)),
        "re-score a block": refresh,
        "re-score everything": lambda: jax.block_until_ready(score_all(state.policies)),
    }
    for program in programs.values():
        program()
    return programs


# The report


def summarise(values: Sequence[float]) -> tuple[float, float, float]:
    """Smallest, median and largest."""
    return float(np.min(values)), float(np.median(values)), float(np.max(values))


def show(title: str, values: Sequence[float], form: str = ",.3f") -> None:
    low, median, high = summarise(values)
    print(f"  {title:<58} {median:>12{form}}   from {low:{form}} to {high:{form}}")


def time_learners(data: Data, names: Sequence[str], repetitions: int) -> dict[str, dict[str, list[float]]]:
    """Updates a second, the shares of both limits and the ratios, of every learner."""
    results: dict[str, dict[str, list[float]]] = {}
    for name in names:
        programs, products = {}, {}
        for sampling in learner.SAMPLINGS:
            settings = learner.default_settings(name, sampling=sampling, normalise=True)  # as the data are
            programs[sampling] = fused(settings, data, UPDATES[name])
            products[sampling] = products_of_an_update(settings, learner.init(settings, data, 0), data)
        counted = {key: sum(operations(one) * times for one, times in found.items()) for key, found in products.items()}
        alone = {product: repeated(product) for found in products.values() for product in found}
        if name == "bc":
            programs["unfused"] = unfused(learner.default_settings(name, sampling="pjap"), data, UPDATES[name])
        rows: dict[str, list[float]] = {}
        for _ in range(repetitions):
            rate = matrix_rate()
            each = {product: seconds_of(program) / times for product, (program, times) in alone.items()}
            seconds = {key: seconds_of(program) / UPDATES[name] for key, program in programs.items()}
            rows.setdefault("large matrix product, GFLOP a second", []).append(rate / 1e9)
            for sampling in learner.SAMPLINGS:
                rows.setdefault(f"{sampling}: updates a second", []).append(1 / seconds[sampling])
                limit = sum(each[product] * times for product, times in products[sampling].items())
                rows.setdefault(f"{sampling}: share of its own products' limit", []).append(limit / seconds[sampling])
                share = counted[sampling] / rate / seconds[sampling]
                rows.setdefault(f"{sampling}: share of the large product's limit", []).append(share)
            rows.setdefault("PJAP's time over uniform's", []).append(seconds["pjap"] / seconds["uniform"])
            if name == "bc":
                ratio = seconds["unfused"] / seconds["pjap"]
                rows.setdefault("unfused loop's time over the fused one's", []).append(ratio)
        rows["GFLOP an update, uniform"] = [counted["uniform"] / 1e9]
        results[name] = rows
    return results


def time_replay(sizes: Sequence[int], repetitions: int) -> dict[int, dict[str, list[float]]]:
    """Milliseconds of what depends on the data's size, and their share of an update with behaviour cloning."""
    settings = learner.default_settings("bc", sampling="pjap")
    results: dict[int, dict[str, list[float]]] = {}
    for size in sizes:
        data = random_data(size)
        programs = replay_programs(settings, data)
        update = fused(settings, data, UPDATES["bc"])
        rows: dict[str, list[float]] = {}
        for _ in range(repetitions):
            drawing = seconds_of(programs["draw a batch"]) / 100
            refreshing = seconds_of(programs["re-score a block"]) / 10
            whole = seconds_of(update) / UPDATES["bc"]
            rows.setdefault("draw a batch, ms", []).append(1e3 * drawing)
            rows.setdefault("re-score a block, ms", []).append(1e3 * refreshing)
            rows.setdefault("re-score everything, ms", []).append(1e3 * seconds_of(programs["re-score everything"]))
            share = (drawing + refreshing / settings.refresh_every) / whole
            rows.setdefault("share of an update's time (draw, re-score)", []).append(share)
        results[size] = rows
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", nargs="+", default=list(UPDATES), choices=list(UPDATES))
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--transitions", type=int, default=100_000, help="data of the learners' comparison")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()

    learners = time_learners(random_data(options.transitions), options.learners, options.repetitions)
    sizes = time_replay(options.sizes, options.repetitions)
    if options.json:
        print(json.dumps({"settings": vars(options), "learners": learners, "sizes": sizes}))
        return
    print(f"one core, {options.repetitions} repetitions: median, and range")
    for name, rows in learners.items():
        print(name)
        for title, values in rows.items():
            show(title, values)
    for size, rows in sizes.items():
        print(f"{size:,} transitions")
        for title, values in rows.items():
            show(title, values)
    shares = [np.median(rows["share of an update's time (draw, re-score)"]) for rows in sizes.values()]
    growth = ", ".join(f"{after - before:+.3f}" for before, after in pairwise(shares))
    print(f"change of that share from size to size: {growth}")


if __name__ == "__main__":
    main()
