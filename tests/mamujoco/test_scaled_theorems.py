"""The propositions of chapters 8 to 10, numerically. `tests/games/test_theorems.py` checks that none is left out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.games import strategies

from pjap import games as g
from pjap.mamujoco.bridge import PushGame
from pjap.mamujoco.networks import update_targets


@given(strategies.datasets(2), strategies.policies(2), strategies.actions)
def test_destination_in_each_state(dataset, start, s):
    """prop-contextual-destination: a state of the contextual game is a polynomial game of its own."""
    game = g.PolynomialGame([[0, 0, -1], [0, 5 * s, 0], [-1, 0, -4]])
    first, second = dataset.mean(axis=0)[::-1], (dataset**2).mean(axis=0)[::-1]
    expected = np.clip(5 * s * first / (2 + 8 * second), -1, 1)
    np.testing.assert_allclose(g.brud_destination(game, dataset, start), expected, atol=1e-9)


@pytest.mark.parametrize("partner", [0.1, 0.5, 1.0])
def test_no_agent_pushes_alone(partner):
    """prop-push: against a partner who pushes either way equally often, the best push is none."""
    own = np.linspace(-1, 1, 201)
    rewards = np.zeros(201)
    for pushed in (partner, -partner):
        joint = jnp.asarray(np.stack([own, np.full(201, pushed)], axis=-1))
        rewards += np.asarray(PushGame().step(jnp.zeros((201, 2)), joint)[1]) / 2
    assert own[rewards.argmax()] == pytest.approx(0)


@given(st.data())
def test_what_a_clone_converges_to(data):
    """prop-clone: the gradient of the clone term is the way from the mean of what is drawn."""
    dataset = data.draw(strategies.datasets(3))
    policy = data.draw(strategies.policies(3))
    for steepness in (0.0, 4.0):
        P = g.proximal_probabilities(policy, dataset, steepness=steepness)

        def clone_term(mu, P=P):
            return (P * jnp.square(mu - dataset).sum(axis=1)).sum()

        gradient = jax.grad(clone_term)(jnp.asarray(policy))
        np.testing.assert_allclose(gradient, 2 * (policy - P @ dataset), atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_that_noise_leaves(seed):
    """prop-noise-floor: the bound with clipping, equality without, half of it at a bound; within Monte-Carlo error."""
    generator = np.random.default_rng(seed)
    team, sigma = generator.uniform(-1, 1, 6), generator.uniform(0.05, 0.4)
    noisy = team + sigma * generator.standard_normal((40_000, 6))
    limit = sigma * np.sqrt(2 / np.pi)
    error = 4 * sigma / np.sqrt(40_000)
    assert np.abs(noisy - team).mean() == pytest.approx(limit, abs=error)
    assert np.abs(noisy.clip(-1, 1) - team).mean() <= limit + error
    at_the_bound = np.abs((1 + sigma * generator.standard_normal(40_000)).clip(-1, 1) - 1)
    assert at_the_bound.mean() <= limit / 2 + error


@given(strategies.games(), st.data())
def test_one_team_in_a_state(game, data):
    """prop-one-team: Gaussian noise around one joint action, integrated exactly by Gauss and Hermite's rule."""
    team = 0.8 * data.draw(strategies.policies(game.players))
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    noise = np.stack(np.meshgrid(*[nodes] * game.players), axis=-1).reshape(-1, game.players)
    shares = np.stack(np.meshgrid(*[weights] * game.players), axis=-1).reshape(-1, game.players).prod(axis=1)
    sigma, h = 1e-2, 1e-3
    update = g.replayed_gradient(game, team, team + sigma * noise, shares / shares.sum())
    predicted = np.zeros(game.players)
    for i in range(game.players):
        for k in set(range(game.players)) - {i}:
            move = h * np.eye(game.players)[k]
            second = game.gradient(team + move) - 2 * game.gradient(team) + game.gradient(team - move)
            predicted[i] += sigma**2 / 2 * second[i] / h**2
    scale = 1 + np.abs(game.coefficients).sum()
    np.testing.assert_allclose(update - game.gradient(team), predicted, atol=100 * scale * sigma**3)


@given(st.data())
def test_no_state_twice(data):
    """prop-no-state-twice: sampling scales each state's gradient and moves no stationary point."""
    targets = jnp.asarray(data.draw(strategies.policies(5)))
    policy = jnp.asarray(data.draw(strategies.policies(5)))
    raw = np.array(data.draw(st.lists(st.integers(1, 9), min_size=5, max_size=5)), dtype=float)
    P = jnp.asarray(raw / raw.sum())

    def loss(mu, P):
        return (P * (jnp.square(mu - targets) + 0.1 * mu**4)).sum()

    ones = jax.grad(loss)(policy, jnp.ones(5))
    np.testing.assert_allclose(jax.grad(loss)(policy, P), P * ones, atol=1e-5)


@given(st.floats(-10, 10), st.floats(0, 0.999), st.floats(0.001, 1), st.integers(1, 200))
def test_the_pace_of_the_targets(reward, discount, rate, updates):
    """prop-target-pace: the learners' own averaging of targets, with a critic that always equals its targets."""
    value = np.float64(0)
    for _ in range(updates):
        value = update_targets(value, reward + discount * value, rate)
    predicted = reward / (1 - discount) * (1 - (1 - rate * (1 - discount)) ** updates)
    assert value == pytest.approx(predicted, rel=1e-9, abs=1e-9)
