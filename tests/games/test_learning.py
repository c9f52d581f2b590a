"""The learner: what it does, that seeds mean what they say, and that sampling is honest."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pjap import games as g
from pjap.games import datasets, learn
from tests.games import strategies

PEAK = [0.375**0.5] * 2
SPREAD = datasets.gaussian(PEAK, 0.25, size=200, seed=0)


@given(strategies.situations(), st.sampled_from(["true", "brud", "pjap"]))
def test_one_step_is_projected_gradient_ascent(situation, update):
    game, policy, dataset = situation
    history = learn(game, dataset, policy, update=update, steps=1, step_size=0.1)
    gradient = {"true": g.true_gradient, "brud": g.brud_gradient, "pjap": g.pjap_gradient}[update](
        game, policy, dataset
    )
    np.testing.assert_allclose(history.policies[1], np.clip(policy + 0.1 * gradient, -1, 1), atol=1e-9)
    np.testing.assert_allclose(history.rewards, game.reward(history.policies), atol=1e-9)


@pytest.mark.parametrize("update", ["true", "brud", "pjap"])
@pytest.mark.parametrize("batch_size", [None, 8])
def test_shapes_for_one_start_and_for_a_grid_of_them(update, batch_size):
    for batch in ((), (5,), (2, 3)):
        start = np.zeros((*batch, 2))
        history = learn(
            g.twin_peaks(), SPREAD, start, update=update, steps=4, batch_size=batch_size, keep_probabilities=True
        )
        assert history.policies.shape == (5, *batch, 2)
        assert history.rewards.shape == (5, *batch)
        assert history.distances.shape == (4, *batch)
        assert history.probabilities.shape == (4, *batch, len(SPREAD))


def test_the_kept_probabilities_are_those_of_the_update():
    history = learn(g.twin_peaks(), SPREAD, [-0.5, 0.5], update="pjap", steps=2, keep_probabilities=True, steepness=2.0)
    for policy, kept in zip(history.policies[:-1], history.probabilities, strict=True):
        np.testing.assert_allclose(kept, g.proximal_probabilities(policy, SPREAD, steepness=2.0))


@pytest.mark.parametrize("update", ["true", "brud", "pjap"])
def test_a_history_of_no_steps_has_the_same_axes(update):
    history = learn(g.twin_peaks(), SPREAD, np.zeros((5, 2)), update=update, steps=0, keep_probabilities=True)
    assert history.policies.shape == (1, 5, 2)
    assert history.distances.shape == (0, 5)
    assert history.probabilities.shape == (0, 5, len(SPREAD))


@pytest.mark.parametrize("update", ["true", "brud", "pjap"])
def test_a_batch_of_starts_is_each_of_them(update):
    starts = datasets.uniform(2, 6, seed=1)
    together = learn(g.twin_peaks(), SPREAD, starts, update=update).policies
    for i, start in enumerate(starts):
        np.testing.assert_allclose(together[:, i], learn(g.twin_peaks(), SPREAD, start, update=update).policies)


@pytest.mark.parametrize("update", ["true", "brud", "pjap"])
def test_a_dataset_of_its_own_for_each_start_is_each_of_them(update):
    stack = np.stack([datasets.gaussian(PEAK, 0.25, size=30, seed=seed) for seed in range(4)])
    starts = datasets.uniform(2, 4, seed=1)
    together = learn(g.twin_peaks(), stack, starts, update=update)
    for i, start in enumerate(starts):
        alone = learn(g.twin_peaks(), stack[i], start, update=update)
        np.testing.assert_allclose(together.policies[:, i], alone.policies)
        np.testing.assert_allclose(together.distances[:, i], alone.distances)
    sampled = learn(g.twin_peaks(), stack, starts, update=update, batch_size=8, keep_probabilities=True)
    assert sampled.probabilities.shape == (100, 4, 30)


@pytest.mark.parametrize("update", ["brud", "pjap"])
def test_same_seed_same_run_other_seed_other_run(update):
    first, again, other = (
        learn(g.twin_peaks(), SPREAD, [-0.5, 0.5], update=update, batch_size=4, seed=seed).policies
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize("update", ["brud", "pjap"])
def test_minibatches_are_unbiased(update):
    """The mean of many one-row updates is the exact expectation, within four standard errors."""
    starts = np.tile([-0.2, 0.4], (20_000, 1))
    sampled = learn(g.twin_peaks(), SPREAD, starts, update=update, steps=1, step_size=0.01, batch_size=1, seed=3)
    exact = learn(g.twin_peaks(), SPREAD, [-0.2, 0.4], update=update, steps=1, step_size=0.01)
    error = sampled.policies[1].std(axis=0) / np.sqrt(len(starts))
    assert np.all(np.abs(sampled.policies[1].mean(axis=0) - exact.policies[1]) < 4 * error)
    distance_error = sampled.distances[0].std() / np.sqrt(len(starts))
    assert abs(sampled.distances[0].mean() - exact.distances[0]) < 4 * distance_error


def test_rows_are_drawn_with_their_probabilities():
    probabilities = np.array([[0.5, 0.0, 0.5], [0.1, 0.9, 0.0]])
    drawn = g.draw(probabilities, 50_000, np.random.default_rng(0))
    shares = np.stack([(drawn == row).mean(axis=1) for row in range(3)], axis=1)
    np.testing.assert_allclose(shares, probabilities, atol=0.01)
    assert np.all(shares[probabilities == 0] == 0)


def test_the_true_gradient_looks_at_no_data():
    with_data, without = (learn(g.twin_peaks(), data, [-0.5, 0.4], update="true") for data in (SPREAD, None))
    np.testing.assert_array_equal(with_data.policies, without.policies)
    assert np.all(without.distances == 0)
    assert without.rewards[-1] > 0.5


def test_each_setting_of_pjap_changes_the_result():
    usual = learn(g.twin_peaks(), SPREAD, [-0.5, 0.5], update="pjap").policies[-1]
    for settings in ({"steepness": 2.0}, {"exponent": 0.5}, {"floor": 0.3}):
        assert (
            np.abs(learn(g.twin_peaks(), SPREAD, [-0.5, 0.5], update="pjap", **settings).policies[-1] - usual).max()
            > 1e-3
        )


@pytest.mark.parametrize("batch_size", [None, 16])
def test_an_update_of_ones_own(batch_size):
    def scaled(game, policy, dataset, factor=1.0):
        return factor * g.brud_gradient(game, policy, dataset)

    settings = {"steps": 5, "batch_size": batch_size, "seed": 2}
    named = learn(g.twin_peaks(), SPREAD, [-0.5, 0.5], update="brud", step_size=0.04, **settings)
    own = learn(g.twin_peaks(), SPREAD, [-0.5, 0.5], update=scaled, step_size=0.02, factor=2.0, **settings)
    np.testing.assert_allclose(own.policies, named.policies)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"update": "burd"}, ValueError, """update is 'burd', expected "true", "brud", "pjap" or a function"""),
        ({"update": None}, ValueError, "update is None, expected"),
        ({"update": b"pjap", "steepness": 9.0}, ValueError, "update is b'pjap', expected"),
        ({"update": "brud", "steepness": 4.0}, TypeError, "takes no settings"),
        ({"update": "pjap", "steepness": -1.0}, ValueError, "steepness is -1.0"),
        ({"update": "pjap", "steep": 1.0}, TypeError, "steep"),
        ({"update": "pjap", "steepness": -3, "steps": 0}, ValueError, "steepness is -3"),
        ({"update": "pjap", "steepnes": 3, "steps": 0}, TypeError, "steepnes"),
        ({"update": "true", "dataset": None, "keep_probabilities": True}, ValueError, "leave out keep_probabilities"),
        ({"start": np.ones((0, 2))}, ValueError, r"start has shape \(0, 2\), an empty batch"),
        ({"start": [2.0, 0.0]}, ValueError, "outside the action box"),
        ({"start": [0.0]}, ValueError, "start has shape"),
        ({"dataset": None}, ValueError, "dataset is None"),
        ({"dataset": np.ones((0, 2))}, ValueError, "dataset is empty"),
        ({"dataset": np.ones((2, 3, 2))}, ValueError, "or a dataset for each start"),
        ({"dataset": [[np.nan, 0]]}, ValueError, "dataset holds NaN"),
        ({"steps": -1}, ValueError, "steps is -1"),
        ({"steps": 1.5}, ValueError, "steps is 1.5"),
        ({"step_size": -0.1}, ValueError, "step_size is -0.1"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
    ],
)
def test_bad_input_is_refused(changes, error, message):
    arguments = {"dataset": SPREAD, "start": [0.0, 0.0], "update": "brud"} | changes
    with pytest.raises(error, match=message):
        learn(g.twin_peaks(), **arguments)


def test_the_game_half_imports_without_jax_or_matplotlib():
    """It must run inside a browser, where neither JAX nor a file system full of wheels is at hand."""
    code = (
        "import sys; import pjap.games; import pjap.priorities;"
        "heavy = {'jax', 'matplotlib', 'scipy', 'mujoco'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
