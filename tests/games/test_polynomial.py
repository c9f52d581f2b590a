"""Polynomial games: reward, gradient, maxima and their written form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pjap import games as g
from pjap.games import PolynomialGame
from tests.games import strategies


def reward_by_definition(game, joint_action, xp=np):
    """The sum over all terms, one at a time."""
    total = 0.0
    for exponents in np.ndindex(game.coefficients.shape):
        term = game.coefficients[exponents]
        for action, exponent in zip(joint_action, exponents, strict=True):
            term = term * xp.power(action, exponent)
        total = total + term
    return total


@given(strategies.situations())
def test_reward_is_the_definition(situation):
    game, policy, dataset = situation
    assert game.reward(policy) == pytest.approx(reward_by_definition(game, policy), abs=1e-9)
    np.testing.assert_allclose(game.reward(dataset), [reward_by_definition(game, a) for a in dataset], atol=1e-9)


@given(strategies.situations())
def test_gradient_agrees_with_finite_differences(situation):
    game, policy, _ = situation
    step = 1e-6 * np.eye(game.players)
    differences = (game.reward(policy + step) - game.reward(policy - step)) / 2e-6
    np.testing.assert_allclose(game.gradient(policy), differences, atol=1e-6)


@settings(max_examples=15)
@given(strategies.situations())
def test_gradient_agrees_with_automatic_differentiation(situation):
    game, policy, _ = situation

    def reward(joint_action):
        # Whole powers as repeated products: the derivative of 0.0 ** 0 as a real power is undefined.
        powers = [
            [jnp.prod(jnp.full(k, a)) for k in range(game.coefficients.shape[i])] for i, a in enumerate(joint_action)
        ]
        terms = [
            game.coefficients[exponents] * jnp.prod(jnp.array([powers[i][k] for i, k in enumerate(exponents)]))
            for exponents in np.ndindex(game.coefficients.shape)
        ]
        return sum(terms)

    with jax.enable_x64(True), jax.disable_jit():
        expected = jax.grad(reward)(jnp.asarray(policy))
    np.testing.assert_allclose(game.gradient(policy), expected, atol=1e-9)


@given(st.data())
def test_own_polynomial_does_not_look_at_its_own_action(data):
    game = data.draw(strategies.games())
    policy, other = data.draw(strategies.policies(game.players)), data.draw(strategies.actions)
    for player in range(game.players):
        moved = policy.copy()
        moved[player] = other
        own = game.own_polynomial(player, policy)
        np.testing.assert_array_equal(own, game.own_polynomial(player, moved))
        assert g.evaluate(own, moved[player]) == pytest.approx(game.reward(moved), abs=1e-9)


@pytest.mark.parametrize(
    ("game", "joint_actions", "best"),
    [
        (g.sign_agreement(), [[1, 1], [-1, -1]], 1),
        (g.twin_peaks(), [[0.375**0.5] * 2, [-(0.375**0.5)] * 2], 9 / 16),
        (g.no_interaction(), [[0.5, 0.5]], 0.5),
        (g.coupled_quadratic(0.5), [[0, 0]], 0),
        (g.coupled_quadratic(3), [[1, 1], [-1, -1]], 2),
        (g.leaning_agreement(), [[1, 1], [-1, -1]], 2),
        (g.three_way_agreement(), [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], 1),
    ],
    ids=str,
)
def test_maxima_of_the_gallery(game, joint_actions, best):
    found, rewards = game.maxima()
    assert rewards[0] == pytest.approx(best)
    assert np.all(np.diff(rewards) <= 1e-9)
    np.testing.assert_allclose(sorted(found.tolist()), sorted(joint_actions), atol=1e-5)


@pytest.mark.parametrize("scale", [1e-10, 1e-6, 1e6])
def test_maxima_go_with_the_unit_of_reward(scale):
    found, rewards = PolynomialGame(scale * g.twin_peaks().coefficients).maxima()
    assert len(found) == 2
    assert rewards / scale == pytest.approx([9 / 16, 9 / 16])


@given(strategies.games(players=2))
def test_the_best_maximum_is_the_best_of_a_grid(game):
    _, rewards = game.maxima()
    side = np.linspace(-1, 1, 41)
    assert rewards[0] >= game.reward(np.stack(np.meshgrid(side, side), axis=-1)).max() - 1e-6


def test_six_players_stay_inside_the_box():
    joint_actions, rewards = PolynomialGame(np.reshape([0, 1], (1, 1, 1, 1, 1, 2))).maxima()
    assert np.abs(joint_actions).max() <= 1
    np.testing.assert_array_equal(rewards, 1)


def test_an_empty_batch_has_empty_answers():
    game = g.twin_peaks()
    assert game.reward(np.ones((0, 2))).shape == (0,)
    assert game.gradient(np.ones((3, 0, 2))).shape == (3, 0, 2)


def test_twin_peaks_has_a_saddle_at_the_origin():
    game = g.twin_peaks()
    np.testing.assert_array_equal(game.gradient([0, 0]), [0, 0])
    assert game.reward([0.1, 0.1]) > game.reward([0, 0]) > game.reward([0.1, -0.1])


@pytest.mark.parametrize(
    ("game", "text", "latex"),
    [
        (g.twin_peaks(), "R(x, y) = 5xy - x^2 - y^2 - 4x^2y^2", "$R(x, y) = 5xy - x^{2} - y^{2} - 4x^{2}y^{2}$"),
        (g.three_way_agreement(), "R(x, y, z) = xyz", "$R(x, y, z) = xyz$"),
        (PolynomialGame(np.zeros((2, 2))), "R(x, y) = 0", "$R(x, y) = 0$"),
        (PolynomialGame([[-1, 0], [-0.5, 1]]), "R(x, y) = -1 - 0.5x + xy", "$R(x, y) = -1 - 0.5x + xy$"),
        (PolynomialGame(np.ones((1, 1, 1, 2))), "R(a_1, a_2, a_3, a_4) = 1 + a_4", "$R(a_1, a_2, a_3, a_4) = 1 + a_4$"),
    ],
)
def test_a_game_writes_itself(game, text, latex):
    assert str(game) == text
    assert game._repr_latex_() == latex


def test_a_maximum_on_the_boundary_of_two_roundings_is_one():
    joint_actions, _ = PolynomialGame([[0, 1 / 32, -1], [1 / 32, 0, 0], [-1, 0, 0]]).maxima()
    np.testing.assert_allclose(joint_actions, [[1 / 64, 1 / 64]], atol=1e-4)


def test_a_game_keeps_its_own_copy():
    coefficients = np.ones((2, 2))
    game = PolynomialGame(coefficients)
    coefficients[:] = 0
    assert game.reward([1, 1]) == 4
    with pytest.raises(ValueError):
        game.coefficients[0, 0] = 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PolynomialGame([1, 2]), r"shape \(2,\), expected one non-empty axis"),
        (lambda: PolynomialGame(np.ones((2, 0))), "non-empty axis"),
        (lambda: PolynomialGame([[0, np.nan]]), "coefficients holds NaN"),
        (lambda: PolynomialGame([["x", "y"]]), "not an array of numbers"),
        (lambda: g.coupled_quadratic(np.inf), "infinity"),
        (lambda: g.twin_peaks().reward([1, 1, 1]), r"joint_action has shape \(3,\), expected \(..., 2\)"),
        (lambda: g.twin_peaks().gradient(0.5), r"expected \(..., 2\)"),
        (lambda: g.twin_peaks().gradient([np.nan, 0]), "joint_action holds NaN"),
        (lambda: g.twin_peaks().own_polynomial(2, [0, 0]), "player is 2, expected a whole number from 0 to 1"),
        (lambda: g.twin_peaks().own_polynomial(1.0, [0, 0]), "player is 1.0, expected a whole number"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
