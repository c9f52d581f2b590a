"""The propositions of chapters 8 to 10, numerically. `tests/games/test_theorems.py` checks that none is left out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.games import strategies

from pjap import games as g
from pjap.mamujoco import learner
from pjap.mamujoco.bridge import PushGame
from pjap.mamujoco.dataset import MixtureSettings, roll_out
from pjap.mamujoco.environment import Environment
from pjap.mamujoco.networks import apply_policies, init_critics, init_policies, update_targets
from pjap.mamujoco.replay import Steps


@given(strategies.datasets(2), strategies.policies(2), strategies.actions)
def test_destination_in_each_state(dataset, start, s):
    """prop-contextual-destination: a state of the contextual game is a polynomial game of its own."""
    game = g.PolynomialGame([[0, 0, -1], [0, 5 * s, 0], [-1, 0, -4]])
    first, second = dataset.mean(axis=0)[::-1], (dataset**2).mean(axis=0)[::-1]
    expected = 5 * s * first / (2 + 8 * second)
    assert np.all(np.abs(expected) <= 5 * abs(s) / 8 + 1e-12)
    np.testing.assert_allclose(g.brud_destination(game, dataset, start), expected, atol=1e-9)


@given(st.lists(strategies.actions, min_size=2, max_size=6), st.floats(-0.5, 0.5))
def test_no_agent_pushes_alone(pushes, position):
    """prop-push: against a partner whose pushes are 0 in the mean, the best push is none, away from the ends."""
    partner = np.array(pushes) - np.mean(pushes)
    partner /= max(1, np.abs(partner).max())
    own = np.linspace(-1, 1, 41)
    pairs = np.stack(np.meshgrid(own, partner, indexing="ij"), axis=-1)
    place = jnp.broadcast_to(jnp.array([position, 0.0]), pairs.shape)
    rewards = np.asarray(PushGame().step(place, jnp.asarray(pairs))[1]).mean(axis=1)
    assert own[rewards.argmax()] == pytest.approx(0)


def single_layers(weights):
    """Policies that look an action up, for each agent: tanh of the row that a one-hot state chooses."""
    return [[{"weight": jnp.asarray(weight), "bias": jnp.zeros(weight.shape[1])}] for weight in weights]


def steps_of(rows, actions, states):
    """A batch of these rows of the data, every agent seeing its state's number as a one-hot vector."""
    seen = np.eye(states)[rows % states]
    both = {"state": seen, "observations": np.repeat(seen[:, None], actions.shape[1], axis=1), "actions": actions[rows]}
    both |= dict.fromkeys(("rewards", "terminals", "truncations"), np.zeros(len(rows)))
    return Steps(**{name: jnp.asarray(np.stack([column, column]), jnp.float32) for name, column in both.items()})


def policy_slopes(settings, weights, critics, steps):
    """The learner's gradient of its policy loss, critics held, in each agent's table of actions: (N, states, A)."""
    gradient = jax.grad(lambda *arguments: learner.policy_loss(*arguments)[0])(
        single_layers(weights), settings, critics, steps, None
    )
    return np.stack([layers[0]["weight"] for layers in gradient])


@pytest.mark.parametrize("steepness", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(3))
def test_what_a_clone_converges_to(seed, steepness):
    """prop-clone: the gradient of the learner's clone term is the way from the mean of what is drawn."""
    rng = np.random.default_rng(seed)
    recorded, policy = rng.uniform(-0.9, 0.9, (2, 30, 3))
    policy = policy[0]
    P = g.proximal_probabilities(policy, recorded, steepness=steepness)
    rows = rng.choice(30, size=64, p=P)
    settings = learner.default_settings("bc", value_weight=0.0, action_penalty=0.0)
    critics = init_critics(jax.random.key(seed), 1, 3, 8)
    weights = np.arctanh(policy)[:, None, None].astype(np.float32)
    found = policy_slopes(settings, weights, critics, steps_of(rows, recorded[:, :, None], 1))
    slope_of_tanh = 1 - policy**2
    np.testing.assert_allclose(
        found[:, 0, 0], 2 * (policy - recorded[rows].mean(axis=0)) * slope_of_tanh, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_the_distance_that_noise_leaves(sigma):
    """prop-noise-floor, in a dataset that the package rolls out: equality without clipping, half of it at a bound."""
    settings = MixtureSettings(transitions=2000, copies=20, noise=sigma)
    observations = Environment("2halfcheetah", 1, (0,)).observations
    policies = init_policies(jax.random.key(0), 2, observations.shape[-1], 3, 8)
    policies[0][-1]["bias"] += 20.0  # the first agent sits at its bound
    policies[1] = jax.tree.map(lambda leaf: 0.1 * leaf, policies[1])  # the other far from it
    made = roll_out([policies], "2halfcheetah", settings, (0,))
    team = np.asarray(apply_policies(policies, jnp.asarray(made.observations)))
    assert team[:, 0].min() > 0.9999
    assert np.abs(team[:, 1]).max() < 0.2
    distance = np.abs(made.actions - team).mean(axis=(0, 2))
    limit, error = sigma * np.sqrt(2 / np.pi), 4 * sigma / np.sqrt(3 * 2000)
    assert distance[1] == pytest.approx(limit, abs=error)
    assert distance[0] == pytest.approx(limit / 2, abs=error)


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
    # The noise is symmetric and the games are at most cubic: nothing is left of the third order.
    np.testing.assert_allclose(update - game.gradient(team), predicted, atol=30 * scale * sigma**4)


@pytest.mark.parametrize("seed", range(3))
def test_no_state_twice(seed):
    """prop-no-state-twice: in the learner's policy loss, sampling scales each state's gradient and turns none."""
    rng = np.random.default_rng(seed)
    states, batch = 5, 40
    recorded, weights = rng.uniform(-1, 1, (states, 2, 3)), rng.normal(size=(2, states, 3)).astype(np.float32)
    settings = learner.default_settings("cql", action_penalty=0.1)
    critics = init_critics(jax.random.key(seed), states, 6, 8)
    each, drawn = np.arange(batch) % states, np.concatenate([np.arange(states), rng.integers(states, size=batch - 5)])
    uniform, sampled = (
        policy_slopes(settings, weights, critics, steps_of(rows, recorded, states)) for rows in (each, drawn)
    )
    P = np.bincount(drawn, minlength=states) / batch
    assert np.ptp(P) > 0
    np.testing.assert_allclose(sampled, states * P[:, None] * uniform, rtol=1e-3, atol=1e-6)


@given(st.floats(-10, 10), st.floats(0, 0.999), st.floats(0.001, 1), st.integers(1, 200))
def test_the_pace_of_the_targets(reward, discount, rate, updates):
    """prop-target-pace: the learners' own averaging of targets, with a critic that always equals its targets."""
    value = np.float64(0)
    for _ in range(updates):
        value = update_targets(value, reward + discount * value, rate)
    predicted = reward / (1 - discount) * (1 - (1 - rate * (1 - discount)) ** updates)
    assert value == pytest.approx(predicted, rel=1e-9, abs=1e-9)
