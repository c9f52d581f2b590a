"""Games with states: formulas, truth, protocol and data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pjap.mamujoco.bridge import (
    ContextualGame,
    GameEnvironment,
    PushGame,
    best_joint_action,
    contextual_twin_peaks,
    exact_critic,
    make_dataset,
    observe,
    peak_team,
    push_team,
    random_team,
    team_return,
)
from pjap.mamujoco.networks import apply_policies, init_policies

GAMES = [contextual_twin_peaks(), PushGame(), PushGame(horizon=2, stride=1.0)]


def draw_policies(game, seed=0):
    """Policies with decided actions: the last layer is enlarged, or all would act near 0."""
    policies = init_policies(jax.random.PRNGKey(seed), 2, game.state_size, 1, 8)
    for policy in policies:
        policy[-1]["weight"] *= 5
    return policies


def act(policies, environment):
    return np.asarray(apply_policies(policies, jnp.asarray(environment.observations)))


def play(game, actions, position=0.0):
    state, reward = game.step(jnp.array([position, 0.0]), jnp.array(actions))
    return float(state[0]), float(reward)


def test_twin_peaks_at_state_1_is_the_papers_game():
    game = contextual_twin_peaks()
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 100))
    _, rewards = game.step(jnp.ones((100, 1)), jnp.stack([jnp.asarray(x), jnp.asarray(y)], axis=-1))
    np.testing.assert_allclose(rewards, 5 * x * y - x**2 - y**2 - 4 * x**2 * y**2, atol=1e-5)


def test_contextual_rewards_are_the_polynomial_with_two_state_dimensions_and_different_degrees():
    rng = np.random.default_rng(1)
    coefficients = rng.normal(size=(3, 2, 4))
    game = ContextualGame("random", coefficients.tolist())
    assert hash(game) == hash(ContextualGame("random", coefficients))
    state, actions = rng.uniform(-1, 1, (5, 2)), rng.uniform(-1, 1, (5, 2))
    _, rewards = game.step(jnp.asarray(state), jnp.asarray(actions))
    for s, (x, y), reward in zip(state, actions, rewards, strict=True):
        c = coefficients[0] + s[0] * coefficients[1] + s[1] * coefficients[2]
        expected = sum(c[k, m] * x**k * y**m for k in range(2) for m in range(4))
        assert float(reward) == pytest.approx(expected, abs=1e-5)


def test_the_cart_moves_only_if_both_push_the_same_way():
    game = PushGame()
    assert play(game, [1.0, 1.0]) == pytest.approx((0.5, 0.4))
    assert play(game, [-1.0, -1.0]) == pytest.approx((-0.5, 0.4))
    assert play(game, [1.0, -1.0]) == pytest.approx((0.0, -0.6))
    assert play(game, [1.0, 0.0]) == pytest.approx((0.25, -0.05))  # alone it does not pay
    assert play(game, [1.0, 1.0], position=0.9) == pytest.approx((1.0, 0.2**2 - 0.6))  # an end of the track


@pytest.mark.parametrize("game", GAMES)
def test_the_exact_critic_is_what_playing_on_brings(game):
    discount, policies = 0.9, draw_policies(game)
    environment = GameEnvironment(game, copies=20, seed=0)
    first = np.random.default_rng(0).uniform(-1, 1, (20, 2)).astype(np.float32)
    value = exact_critic(game, discount)(
        lambda observations: apply_policies(policies, observations), jnp.asarray(environment.state), jnp.asarray(first)
    )
    total, actions = np.zeros(20), first[..., None]
    for step in range(game.horizon):
        rewards, terminals, _ = environment.step(actions)
        total += discount**step * rewards
        actions = act(policies, environment)
    assert terminals.all()
    np.testing.assert_allclose(value, total, atol=1e-4)


@pytest.mark.parametrize("game", GAMES[1:])
def test_the_exact_critic_ends_with_the_episode(game):
    policies = draw_policies(game)
    last = jnp.array([[0.0, 1 - 1 / game.horizon]])
    joint_action = jnp.array([[0.7, 0.2]])
    value = exact_critic(game)(lambda observations: apply_policies(policies, observations), last, joint_action)
    np.testing.assert_allclose(value, game.step(last, joint_action)[1], rtol=1e-6)


@pytest.mark.parametrize("game", GAMES)
def test_the_policy_gradient_is_the_slope_of_the_return(game):
    policies, start = draw_policies(game), jnp.asarray(game.start(np.random.default_rng(0), 50))
    gradient = jax.grad(lambda policies: team_return(game, policies, start))(policies)

    def returned(step):
        moved = jax.tree.map(lambda leaf, slope: leaf + step * slope, policies, gradient)
        environment = GameEnvironment(game, 50, seed=0)
        environment.state = np.asarray(start)
        total = np.zeros(50)
        for _ in range(game.horizon):
            total += environment.step(act(moved, environment))[0]
        return total.mean()

    squared_length = sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(gradient))
    size = 0.01 / np.sqrt(squared_length)
    slope = (returned(size) - returned(-size)) / (2 * size)
    assert slope == pytest.approx(squared_length, rel=0.02)


def test_the_peak_team_plays_the_best_joint_actions():
    game, state = contextual_twin_peaks(), np.linspace(-1, 1, 41, dtype=np.float32)[:, None]
    _, best = best_joint_action(game, state)
    for sign in (1, -1):
        actions = peak_team(sign, noise=0.0)(state, np.random.default_rng(0))
        rewards = game.step(jnp.asarray(state), jnp.asarray(actions, jnp.float32))[1]
        np.testing.assert_allclose(rewards, best, atol=1e-3)
        assert (np.sign(actions[state[:, 0] > 0.5, 0]) == sign).all()


def test_only_finished_copies_are_reset():
    environment = GameEnvironment(PushGame(), copies=3, seed=0)
    environment.step(np.ones((3, 2, 1)))
    before = environment.state.copy()
    environment.reset(np.array([False, True, False]))
    np.testing.assert_array_equal(environment.state[[0, 2]], before[[0, 2]])
    np.testing.assert_array_equal(environment.elapsed, [1, 0, 1])
    assert environment.state[1, 1] == 0


def test_seeds_decide_initial_states():
    states = [GameEnvironment(PushGame(), 5, seed).state for seed in (0, 0, 1)]
    np.testing.assert_array_equal(states[0], states[1])
    assert (states[0] != states[2]).any()


@pytest.mark.parametrize("game", GAMES)
def test_datasets_are_whole_episodes_in_order(game):
    dataset = make_dataset(game, [random_team, push_team(1)], episodes=7, seed=3)
    assert len(dataset.rewards) == 2 * 7 * game.horizon
    np.testing.assert_array_equal(dataset.observations, observe(dataset.state))
    np.testing.assert_array_equal(dataset.terminals, (np.arange(len(dataset.rewards)) + 1) % game.horizon == 0)
    following, rewards = game.step(jnp.asarray(dataset.state), jnp.asarray(dataset.actions[..., 0]))
    np.testing.assert_allclose(rewards, dataset.rewards, atol=1e-6)
    inside = np.flatnonzero(dataset.terminals[:-1] == 0)
    np.testing.assert_allclose(following[inside], dataset.state[inside + 1], atol=1e-6)


def test_teams_that_push_one_way_succeed_and_crossed_teams_do_not():
    both = make_dataset(PushGame(), [push_team(1), push_team(-1)], episodes=200, seed=0)
    assert both.rewards.sum() / 400 > 1.2

    def crossed(state, rng):
        right, left = push_team(1)(state, rng), push_team(-1)(state, rng)
        return np.stack([right[:, 0], left[:, 1]], axis=1)

    split = make_dataset(PushGame(), [crossed], episodes=200, seed=0)
    assert split.rewards.sum() / 200 < 0


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="coefficients have shape"):
        ContextualGame("flat", ((0.0, 1.0),))
    with pytest.raises(ValueError, match="one step"):
        ContextualGame("long", contextual_twin_peaks().coefficients, horizon=2)
    with pytest.raises(ValueError, match="horizon"):
        PushGame(horizon=0)
    with pytest.raises(ValueError, match="copies"):
        GameEnvironment(PushGame(), 0, 0)
    with pytest.raises(ValueError, match=r"\(copies, 2, 1\)"):
        GameEnvironment(PushGame(), 3, 0).step(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="at least one behaviour"):
        make_dataset(PushGame(), [], 5, 0)
