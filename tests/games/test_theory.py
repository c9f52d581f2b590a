"""The book's theorems, on random games and datasets."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pjap import games as g
from pjap.games import datasets, learn
from tests.games import strategies


@given(strategies.situations(players=2))
def test_bias_formula(situation):
    """Eq. of chapter 5, one term at a time: sum_kl k c_kl x^(k-1) (E[a_y^l] - y^l), and the same for Y."""
    game, (x, y), dataset = situation
    expected = np.zeros(2)
    for (k, power), c in np.ndenumerate(game.coefficients):
        if k:
            expected[0] += k * c * x ** (k - 1) * ((dataset[:, 1] ** power).mean() - y**power)
        if power:
            expected[1] += power * c * y ** (power - 1) * ((dataset[:, 0] ** k).mean() - x**k)
    np.testing.assert_allclose(g.bias(game, [x, y], dataset), expected, atol=1e-9)


@given(st.data())
def test_without_interaction_there_is_no_bias_and_it_is_linear_in_the_interaction(data):
    game, policy, dataset = data.draw(strategies.situations(players=2))
    alone = game.coefficients.copy()
    alone[1:, 1:] = 0
    np.testing.assert_allclose(g.bias(g.PolynomialGame(alone), policy, dataset), 0, atol=1e-9)
    tripled = alone + 3 * (game.coefficients - alone)
    expected = 3 * g.bias(game, policy, dataset)
    np.testing.assert_allclose(g.bias(g.PolynomialGame(tripled), policy, dataset), expected, atol=1e-8)


@given(strategies.situations())
def test_brud_climbs_the_averaged_polynomials(situation):
    game, policy, dataset = situation
    slopes = [
        g.evaluate(g.differentiate(g.averaged_polynomial(game, i, dataset)), policy[i]) for i in range(game.players)
    ]
    np.testing.assert_allclose(g.brud_gradient(game, policy, dataset), slopes, atol=1e-9)


@settings(max_examples=30)
@given(strategies.situations())
def test_destination_is_where_brud_learning_ends(situation):
    """prop-destination, with a small step size."""
    game, start, dataset = situation
    destination = g.brud_destination(game, dataset, start)
    assert np.all(np.abs(destination) <= 1)
    # At rest: no slope, or pressed against the edge of the box.
    slope = g.brud_gradient(game, destination, dataset)
    assert np.all((np.abs(slope) < 1e-4) | (np.sign(slope) == destination))
    # Discretised learning agrees, wherever the slope on the way is not too flat to arrive in time.
    assume(np.all(np.abs(g.brud_gradient(game, start, dataset)) > 0.5))
    end = learn(game, dataset, start, update="brud", steps=600, step_size=0.01).policies[-1]
    rest = np.abs(g.brud_gradient(game, end, dataset)) < 1e-3
    assume(np.all(rest | (np.abs(end) == 1)))
    curvature = [
        abs(g.evaluate(g.differentiate(g.differentiate(g.averaged_polynomial(game, i, dataset))), end[i]))
        for i in range(game.players)
    ]
    assume(np.all((np.array(curvature) > 0.1) | (np.abs(end) == 1)))
    np.testing.assert_allclose(end, destination, atol=0.02)


def curvatures(game, dataset, actions):
    """F_i'' of every player i at an action of each, (n,)."""
    curves = [g.differentiate(g.differentiate(g.averaged_polynomial(game, i, dataset))) for i in range(game.players)]
    return np.array([float(g.evaluate(curve, action)) for curve, action in zip(curves, actions, strict=True)])


def test_brud_rests_at_a_root_however_flat():
    """A fourfold root is found to a fourth root of the rounding error only, and as complex pairs."""
    root = -0.4920031306034117
    climbed = np.polynomial.polynomial.polyint(np.polynomial.polynomial.polyfromroots([root] * 4))
    destination = g.brud_destination(g.PolynomialGame(climbed[:, None]), [[0.0, 0.0]], [root - 0.1, 0.0])
    assert destination == pytest.approx([root, 0], abs=1e-3)


@settings(max_examples=20)
@given(strategies.situations(), st.floats(0.1, 1))
def test_brud_never_passes_its_destination_with_any_step_size_that_the_curvature_allows(situation, share):
    """prop-destination, its last sentence: up to the largest step size, which is one over the largest curvature."""
    game, start, dataset = situation
    ones = np.ones(game.players)
    # At most cubic, so that F'' is a line and largest at an end.
    largest = max(np.abs(curvatures(game, dataset, end)).max() for end in (ones, -ones))
    step = share / largest if largest > 0.01 else share
    policies = learn(game, dataset, start, update="brud", steps=3000, step_size=step).policies
    destination = g.brud_destination(game, dataset, start)
    way = np.sign(destination - start)
    assert np.all(np.diff(policies, axis=0) * way >= -1e-9)
    assert np.all((destination - policies) * way >= -1e-6)
    # Where the path is flat nowhere, it has arrived.
    flattest = np.abs(curvatures(game, dataset, destination)) / max(largest, 0.01)
    slope = np.abs(g.brud_gradient(game, policies[-1], dataset))
    edge = np.abs(policies[-1]) == 1
    steep = ((slope < 1e-6) & ((flattest > 0.1) | (way == 0))) | edge
    np.testing.assert_allclose(policies[-1][steep], destination[steep], atol=1e-4)


@given(strategies.datasets(2), strategies.policies(2))
def test_twin_peaks_destination_is_fixed_by_two_moments(dataset, start):
    first, second = dataset.mean(axis=0), (dataset**2).mean(axis=0)
    expected = np.clip(5 * first[::-1] / (2 + 8 * second[::-1]), -1, 1)
    np.testing.assert_allclose(g.brud_destination(g.twin_peaks(), dataset, start), expected, atol=1e-9)


@given(strategies.datasets(2), strategies.policies(2))
def test_sign_agreement_ends_in_the_corner_of_the_other_players_means(dataset, start):
    mean = dataset.mean(axis=0)
    assume(np.all(np.abs(mean) > 1e-3))
    destination = g.brud_destination(g.sign_agreement(), dataset, start)
    np.testing.assert_array_equal(destination, np.sign(mean[::-1]))
    end = learn(g.sign_agreement(), dataset, start, update="brud", steps=3, step_size=1000).policies[-1]
    np.testing.assert_array_equal(end, destination)
    worst = g.sign_agreement().reward(destination) == -1
    assert worst == (mean[0] * mean[1] < 0)


def test_a_player_at_rest_stays_and_a_flat_reward_moves_nobody():
    flat = g.PolynomialGame(np.ones((1, 1)))
    assert g.brud_destination(flat, [[0.5, 0.5]], [0.3, -0.2]).tolist() == [0.3, -0.2]
    valley = g.PolynomialGame([[0], [0], [1]])  # x^2: at rest at 0, else to the nearer edge; Y never moves
    destinations = g.brud_destination(valley, [[0.0, 0.0]], [[0, 0.5], [0.1, 0.5], [-0.1, 0.5]])
    assert destinations.tolist() == [[0, 0.5], [1, 0.5], [-1, 0.5]]


def test_rounding_moves_nobody_from_a_place_of_rest():
    quartic = g.PolynomialGame([[0], [-0.9], [-0.8], [-0.9], [-1]])
    end = learn(quartic, [[0.0, 0.0]], [-0.5, 0.0], update="brud", steps=5000, step_size=0.1).policies[-1]
    np.testing.assert_allclose(g.brud_destination(quartic, [[0.0, 0.0]], end), end, atol=1e-9)
    saddle = g.PolynomialGame([[0], [0.28125], [-0.375], [1 / 6]])  # its slope is (x - 3/4)^2 / 2: the flow rests there
    assert g.brud_destination(saddle, [[0.0, 0.0]], [0.0, 0.0])[0] == pytest.approx(0.75, abs=1e-6)


@pytest.mark.parametrize("rows", [[[0.1, 0.1], [0.2, 0.2], [-0.3, -0.3]], strategies.grid(20)])
def test_rounding_in_the_datas_mean_moves_nobody(rows):
    """The mean is 0; what is found of it is not."""
    assert g.averaged_polynomial(g.sign_agreement(), 0, rows)[1] != 0
    assert g.brud_destination(g.sign_agreement(), rows, [0.5, -0.5]).tolist() == [0.5, -0.5]


@pytest.mark.parametrize("covariance", [[[0.3, 0], [0, 0.3]], [[0.3, 0.2], [0.2, 0.4]], [[0.5, -0.4], [-0.4, 0.5]]])
@pytest.mark.parametrize("bandwidth", [0.4, 1.0])
def test_gaussian_shrinkage_within_monte_carlo_error(covariance, bandwidth):
    mean, policy = np.array([0.2, -0.3]), np.array([0.5, 0.4])
    data = datasets.gaussian(mean, covariance, size=400_000, seed=0)
    weights = np.exp(-((data - policy) ** 2).sum(axis=1) / (2 * bandwidth**2))
    estimate = weights @ data / weights.sum()
    # Standard error of a ratio of means, by the delta method.
    error = np.sqrt((weights**2) @ (data - estimate) ** 2) / weights.sum()
    expected = g.gaussian_shrinkage(mean, covariance, bandwidth, policy)
    assert np.all(np.abs(estimate - expected) < 4 * error)
    update = g.replayed_gradient(g.sign_agreement(), policy, data, weights / weights.sum())
    np.testing.assert_allclose(update, estimate[::-1])


@given(st.floats(0.05, 2), st.floats(0.05, 2), strategies.policies(2), strategies.policies(2))
def test_pjap_interpolates_between_the_true_gradient_and_brud(spread, bandwidth, mean, policy):
    kappa = g.shrinkage_factor(spread, bandwidth)
    drawn = g.gaussian_shrinkage(mean, spread**2 * np.eye(2), bandwidth, policy)
    np.testing.assert_allclose(drawn[::-1], kappa * policy[::-1] + (1 - kappa) * mean[::-1], atol=1e-9)


def test_shrinkage_agrees_with_the_textbook_form():
    mean, covariance, h, policy = np.array([0.1, 0.2]), np.array([[0.3, 0.1], [0.1, 0.2]]), 0.7, np.array([-0.4, 0.6])
    precision = np.linalg.inv(covariance) + np.eye(2) / h**2
    expected = np.linalg.inv(precision) @ (np.linalg.inv(covariance) @ mean + policy / h**2)
    np.testing.assert_allclose(g.gaussian_shrinkage(mean, covariance, h, policy), expected)


@given(st.data())
def test_jacobian_agrees_with_finite_differences(data):
    game = data.draw(strategies.games())
    policy = 0.9 * data.draw(strategies.policies(game.players)) + 0.0031  # off the recorded actions, where it kinks
    dataset = data.draw(strategies.datasets(game.players))
    steepness, exponent = data.draw(st.floats(0, 3)), data.draw(st.floats(0.2, 1.5))
    settings = {"steepness": steepness, "exponent": exponent, "floor": 1e-9}
    assume(np.all(np.abs(dataset - policy) > 1e-4))
    step = 1e-6 * np.eye(game.players)
    columns = [
        (
            g.pjap_gradient(game, policy + e, dataset, **settings)
            - g.pjap_gradient(game, policy - e, dataset, **settings)
        )
        / 2e-6
        for e in step
    ]
    scale = 1 + np.abs(game.coefficients).sum()
    actual = g.pjap_jacobian(game, policy, dataset, **settings)
    np.testing.assert_allclose(actual, np.array(columns).T, atol=1e-4 * scale)


@pytest.mark.parametrize(("steepness", "expected"), [(1.0, -3.1), (2.0, -0.30), (2.25, 0.27), (4.0, 2.3)])
def test_twin_peaks_bifurcation(steepness, expected):
    """The leading eigenvalue at the miscoordinated point, for uniform data on the square."""
    actual = g.leading_eigenvalue(g.twin_peaks(), [0, 0], strategies.grid(300), steepness=steepness)
    assert actual == pytest.approx(expected, abs=0.05)


def test_twin_peaks_bifurcation_at_both_ends():
    """prop-critical, its last part: -14/3 at steepness 0, and without a floor 3 in the limit, with an error that falls.

    There E[a_y^2] = 4/(3 alpha^2), of which lambda loses eight, and the part through the kernel is 5.
    """
    square = strategies.grid(200)
    found = g.leading_eigenvalue(g.twin_peaks(), [0, 0], square, steepness=0.0)
    assert found == pytest.approx(-14 / 3, abs=1e-3)
    for steepness in (6.0, 12.0, 24.0):
        found = g.leading_eigenvalue(g.twin_peaks(), [0, 0], square, steepness=steepness, floor=1e-300)
        assert found == pytest.approx(3 - 32 / 3 / steepness**2, abs=0.02)
    true = np.linalg.eigvalsh([[-2, 5], [5, -2]]).max()  # R_xx and R_xy at the origin
    assert true == pytest.approx(3)


def test_critical_steepness_separates_stuck_from_free():
    grid = strategies.grid(60)
    critical = g.critical_steepness(g.twin_peaks(), [0, 0], grid)
    assert critical == pytest.approx(2.13, abs=0.03)
    ends = [
        learn(g.twin_peaks(), grid, [0.05, 0.02], update="pjap", steps=1500, steepness=critical * factor).rewards[-1]
        for factor in (0.9, 1.1)
    ]
    assert ends[0] == pytest.approx(0, abs=1e-3)
    assert ends[1] > 0.05


def test_critical_steepness_at_its_limits():
    grid = strategies.grid(20)
    assert g.critical_steepness(g.PolynomialGame([[0, 0], [0, 0], [1, 0]]), [0, 0], grid) == 0
    with pytest.raises(ValueError, match="no steepness up to 5"):
        g.critical_steepness(g.no_interaction(), [0.5, 0.5], grid, most=5.0)


@given(st.integers(0, 10_000))
def test_recoupling(seed):
    """Centred data: the flow is kappa times the true one, and every start off the line x = -y reaches a maximum."""
    start = np.random.default_rng(seed).uniform(-1, 1, 2)
    assume(abs(start.sum()) > 0.05)
    policy, kappa = start, g.shrinkage_factor(0.5, 0.5)
    for _ in range(300):
        drawn = g.gaussian_shrinkage([0, 0], 0.25 * np.eye(2), 0.5, policy)
        np.testing.assert_allclose(drawn[::-1], kappa * g.true_gradient(g.sign_agreement(), policy), atol=1e-12)
        policy = np.clip(policy + 0.1 * drawn[::-1], -1, 1)
    np.testing.assert_allclose(policy, np.sign(start.sum()))  # that of its own side


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: g.gaussian_shrinkage([0, 0], [[1, 0], [0, 0]], 1, [0, 0]), "positive definite"),
        (lambda: g.gaussian_shrinkage([0, 0], [[1, 0.5], [0, 1]], 1, [0, 0]), "not symmetric"),
        (lambda: g.gaussian_shrinkage([0, 0], [[1]], 1, [0, 0]), r"expected \(2, 2\)"),
        (lambda: g.gaussian_shrinkage([[0], [0]], np.eye(2), 1, [0, 0]), r"mean has shape \(2, 1\)"),
        (lambda: g.gaussian_shrinkage([0, 0], np.eye(2), 0, [0, 0]), "bandwidth is 0"),
        (lambda: g.shrinkage_factor(-1, 1), "standard_deviation is -1"),
        (lambda: g.gaussian_shrinkage([0, 0], np.eye(2), np.inf, [0, 0]), "bandwidth is inf, expected a finite number"),
        (lambda: g.shrinkage_factor(1, 0), "bandwidth is 0"),
        (lambda: g.shrinkage_factor(1, np.inf), "bandwidth is inf"),
        (lambda: g.pjap_jacobian(g.twin_peaks(), [[0, 0]], [[1, 1]]), "one joint policy"),
        (lambda: g.brud_destination(g.twin_peaks(), [[0, 0]], [0, -1.5]), r"start reaches 1.5, expected"),
        (lambda: g.brud_destination(g.twin_peaks(), [], [0, 0]), "dataset has shape"),
        (lambda: g.averaged_polynomial(g.twin_peaks(), 5, [[0, 0]]), "player is 5"),
        (lambda: g.brud_destination(g.twin_peaks(), np.zeros((3, 5, 2)), [0, 0]), "one dataset"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
