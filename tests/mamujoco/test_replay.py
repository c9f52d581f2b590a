"""Replay: windows are the data's, and items are drawn with PJAP's probabilities."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pjap import priorities as pjap
from pjap.mamujoco import replay

STEPS, AGENTS = 50, 2


def make_dataset(**changes):
    rng = np.random.default_rng(0)
    truncations = np.zeros(STEPS, np.float32)
    truncations[9::10] = 1
    arrays = {
        "observations": rng.normal(3.0, 5.0, (STEPS, AGENTS, 4)),
        "actions": rng.uniform(-1, 1, (STEPS, AGENTS, 3)),
        "rewards": rng.normal(size=STEPS),
        "terminals": np.zeros(STEPS, np.float32),
        "truncations": truncations,
        "state": rng.normal(-1.0, 2.0, (STEPS, 5)),
    }
    return SimpleNamespace(**{**arrays, **changes})


def test_windows_are_consecutive_steps_of_the_data():
    dataset = make_dataset()
    data = replay.load(dataset, normalise=False)
    steps = replay.take(data, jnp.array([0, 7, 30]), 4)
    for batch, start in enumerate([0, 7, 30]):
        window = slice(start, start + 4)
        for name in ("observations", "actions", "rewards", "terminals", "truncations", "state"):
            expected = getattr(dataset, name)[window].astype(np.float32)
            np.testing.assert_array_equal(getattr(steps, name)[:, batch], expected)


def test_normalised_quantities_have_mean_0_and_deviation_1_and_return():
    dataset = make_dataset()
    dataset.observations[..., 2] = 7.0  # a constant, such as padding, is only shifted
    data = replay.load(dataset)
    steps = replay.take(data, jnp.arange(STEPS), 1)
    assert np.abs(steps.observations[0].mean(0)).max() < 1e-5
    np.testing.assert_allclose(steps.state[0].std(0), 1, rtol=1e-5)
    restored = steps.observations[0] * data.observation_scale + data.observation_mean
    np.testing.assert_allclose(restored, dataset.observations, rtol=1e-5, atol=1e-5)


def test_the_last_step_has_no_successor():
    dataset = make_dataset(truncations=np.zeros(STEPS))
    steps = replay.take(replay.load(dataset), jnp.array([STEPS - 1]), 2)
    assert steps.truncations[0, 0] == 1
    dataset.terminals[-1] = 1
    steps = replay.take(replay.load(dataset), jnp.array([STEPS - 1]), 2)
    assert (steps.terminals[0, 0], steps.truncations[0, 0]) == (1, 0)


def test_a_window_may_reach_one_step_beyond_the_last():
    data = replay.load(make_dataset())
    assert [replay.items(data, length) for length in (1, 2, 4)] == [STEPS, STEPS, STEPS - 2]


def test_a_step_that_is_both_ended_and_cut_off_has_ended():
    steps = replay.take(
        replay.load(make_dataset(terminals=np.ones(STEPS), truncations=np.ones(STEPS))), jnp.array([3]), 1
    )
    assert (steps.terminals[0, 0], steps.truncations[0, 0]) == (1, 0)


def test_og_marl_shapes_and_actions_beyond_the_bounds_are_accepted():
    dataset = make_dataset()
    shared = replay.load(dataset)
    for name in ("rewards", "terminals", "truncations"):
        setattr(dataset, name, np.repeat(getattr(dataset, name)[:, None], AGENTS, 1))
    dataset.actions[3] = 1.5
    repeated = replay.load(dataset)
    actions = replay.take(repeated, jnp.array([3]), 1).actions
    np.testing.assert_array_equal(actions, 1.0)
    np.testing.assert_allclose(repeated.rows[:, -3:], shared.rows[:, -3:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": np.zeros((STEPS, 3))}, r"got .*\(50, 3\)"),
        ({"actions": np.zeros((STEPS + 1, AGENTS, 3))}, "do not agree"),
        ({"state": np.zeros((STEPS - 1, 5))}, "do not agree"),
        ({"rewards": np.zeros((STEPS, 3))}, "rewards has shape"),
        ({"rewards": np.full(STEPS, np.nan)}, "rewards holds NaN"),
        ({"rewards": np.eye(STEPS, AGENTS)}, "rewards differ between the agents"),
        ({"terminals": np.eye(STEPS, AGENTS, dtype=bool)}, "terminals differ between the agents"),
        ({"truncations": np.full(STEPS, 2.0)}, "truncations holds other values than 0 and 1"),
        ({"observations": np.full((STEPS, AGENTS, 4), np.inf)}, "observations holds NaN or infinity"),
    ],
)
def test_a_malformed_dataset_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replay.load(make_dataset(**changes))


def test_a_dataset_of_one_step_is_refused():
    arrays = {name: value[:1] for name, value in vars(make_dataset()).items()}
    with pytest.raises(ValueError, match="at least 2"):
        replay.load(SimpleNamespace(**arrays))


SETTINGS = {"floor": 1e-3, "exponent": 0.99}


@pytest.mark.parametrize("count", [1, 128, 129, 20_000])
def test_items_are_drawn_with_pjap_probabilities(count):
    distances = np.random.default_rng(1).uniform(0, 1, count)
    tree = replay.build(jnp.asarray(distances, jnp.float32), steepness=4.0, **SETTINGS)
    drawn = np.asarray(replay.draw(tree, jax.random.PRNGKey(0), 200_000))
    priorities = pjap.proximal_priorities(distances, steepness=4.0, floor=SETTINGS["floor"])
    expected = pjap.sampling_probabilities(priorities, exponent=SETTINGS["exponent"])
    # Compare in 20 groups of neighbours by distance; four standard deviations of a binomial count.
    groups = np.minimum(np.argsort(np.argsort(distances)) * 20 // count, 19)
    counts = np.bincount(groups[drawn], minlength=20)
    chances = np.bincount(groups, weights=expected, minlength=20)
    deviations = np.sqrt(200_000 * chances * (1 - chances)) + 1e-9
    assert (np.abs(counts - 200_000 * chances) <= 4 * deviations + 1e-6).all()


def test_rescored_items_leave_the_same_tree_as_one_built_anew():
    rng = np.random.default_rng(2)
    distances = rng.uniform(0, 1, 20_000).astype(np.float32)
    tree = replay.build(jnp.asarray(distances), steepness=4.0, **SETTINGS)
    for _ in range(20):
        indices = rng.integers(0, 20_000, 300)
        distances[indices] = rng.uniform(0, 1, 300)
        tree = replay.rescore(tree, jnp.asarray(indices), jnp.asarray(distances[indices]), steepness=4.0, **SETTINGS)
    fresh = replay.build(jnp.asarray(distances), steepness=4.0, **SETTINGS)
    np.testing.assert_array_equal(tree.distances, fresh.distances)
    for ours, new in zip(tree.levels, fresh.levels, strict=True):
        np.testing.assert_allclose(ours, new, rtol=1e-5)


def test_uniform_drawing_reaches_the_ends():
    drawn = replay.draw_uniform(jax.random.PRNGKey(0), 10_000, 10)
    counts = np.bincount(drawn, minlength=10)
    assert len(counts) == 10
    assert np.abs(counts - 1000).max() < 4 * np.sqrt(900)


@pytest.mark.parametrize("fraction", [0.9, 0.5, 0.05])
def test_the_chosen_steepness_is_that_of_the_numpy_twin(fraction):
    distances = np.random.default_rng(3).gamma(4.0, 0.05, 2000)
    ours = float(replay.steepness_for(jnp.asarray(distances, jnp.float32), fraction, **SETTINGS))
    twin = pjap.steepness_for_effective_sample_size(distances, fraction * 2000, **SETTINGS)
    assert ours == pytest.approx(twin, rel=1e-3)


def test_an_effective_sample_size_out_of_reach_gets_the_nearest_steepness():
    distances = np.linspace(0, 1, 1000)
    ours = float(replay.steepness_for(jnp.asarray(distances, jnp.float32), 0.001, floor=0.2, exponent=1.0))
    remaining = [
        pjap.effective_sample_size(pjap.proximal_priorities(distances, steepness=steepness, floor=0.2))
        for steepness in (ours, ours * 2, ours / 2)
    ]
    assert remaining[0] <= min(remaining[1:]) + 1e-6
