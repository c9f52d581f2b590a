"""Every proposition of the game half, on random games and datasets.

Each test names, in its docstring, the label of what it checks; the last test fails for a proposition that none names.
Those that the theory's own functions compute are checked in `test_theory.py` and `test_updates.py`.
"""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pjap import games as g
from pjap.games import datasets, learn
from pjap.priorities import joint_action_distance, proximal_priorities, sampling_probabilities
from tests.games import strategies

ROOT = Path(__file__).parents[2]


def curvature_bound(game):
    """A bound on every second derivative |d_j d_i R| over the box, as an (n, n) array."""
    bound = np.zeros((game.players, game.players))
    for k, c in np.ndenumerate(game.coefficients):
        powers = np.array(k)
        bound += abs(c) * (np.outer(powers, powers) - np.diag(powers))
    return bound


@given(st.data())
def test_without_interaction_recorded_partners_do_no_harm(data):
    """prop-additive."""
    own = [data.draw(strategies.policies(4)) for _ in range(2)]  # two rewards, each a table over four actions
    joint = own[0][:, None] + own[1][None, :]
    counts = np.array(data.draw(st.lists(st.integers(0, 9), min_size=16, max_size=16))).reshape(4, 4) + 0.0
    assume(counts.sum() > 0)
    share = counts / counts.sum()
    x = np.argmax(joint @ share.sum(axis=0))
    y = np.argmax(share.sum(axis=1) @ joint)
    assert joint[x, y] == pytest.approx(joint.max())


@given(strategies.situations())
def test_joint_ascent_never_loses(situation):
    """prop-ascent: each step gains at least |step|^2 / (2 eta)."""
    game, start, _ = situation
    bound = np.linalg.norm(curvature_bound(game), 2)
    assume(bound > 0)
    history = learn(game, None, start, update="true", steps=20, step_size=1 / bound)
    moved = np.square(np.diff(history.policies, axis=0)).sum(axis=1)
    assert np.all(np.diff(history.rewards) >= bound / 2 * moved - 1e-9)


@given(strategies.games(players=2), strategies.actions, strategies.datasets(2))
def test_symmetry_keeps_a_team_on_the_saddle_line(game, action, dataset):
    """prop-saddle-line, prop-tp-mirror: the true gradient always, BRUD and PJAP on data that are their own mirror."""
    size = max(game.coefficients.shape)
    square = np.zeros((size, size))
    square[: game.coefficients.shape[0], : game.coefficients.shape[1]] = game.coefficients
    signs = (-1.0) ** np.add.outer(np.arange(size), np.arange(size))
    symmetric = g.PolynomialGame(square + signs * square.T)  # R(x, y) = R(-y, -x)
    assert symmetric.reward([0.3, -0.7]) == pytest.approx(symmetric.reward([0.7, -0.3]))
    mirrored = np.concatenate([dataset, -dataset[:, ::-1]])
    for update in ("true", "brud", "pjap"):
        policies = learn(symmetric, mirrored, [action, -action], update=update, steps=5, step_size=0.01).policies
        np.testing.assert_allclose(policies.sum(axis=1), 0, atol=1e-9)
    on_the_line = np.linspace(-1, 1, 21)[:, None] * [1, -1]
    assert g.twin_peaks().reward(on_the_line).max() <= 0


@given(st.data())
def test_brud_learning_is_one_ascent_for_each_player(data):
    """prop-decoupling: a player's whole path is the same wherever the others start."""
    game, start, dataset = data.draw(strategies.situations())
    elsewhere = data.draw(strategies.policies(game.players))
    for player in range(game.players):
        other = elsewhere.copy()
        other[player] = start[player]
        here, there = (learn(game, dataset, mu, update="brud", steps=10).policies[:, player] for mu in (start, other))
        np.testing.assert_allclose(here, there, atol=1e-9)


@given(strategies.policies(2), strategies.datasets(2), st.floats(0.001, 0.3))
def test_one_dot_product_decides_help_or_harm(policy, dataset, step):
    """prop-help-or-harm: first order and exactly."""
    game, mean = g.sign_agreement(), dataset.mean(axis=0)
    update = g.brud_gradient(game, policy, dataset)
    assert update @ g.true_gradient(game, policy) == pytest.approx(policy @ mean, abs=1e-9)
    change = game.reward(policy + step * update) - game.reward(policy)
    assert change == pytest.approx(step * policy @ mean + step**2 * mean.prod(), abs=1e-9)


@given(strategies.policies(2), strategies.datasets(2), st.floats(0.05, 1))
def test_the_corner_is_reached_in_time(start, dataset, step):
    """prop-worst-corner: with its bound on the number of steps."""
    mean = dataset.mean(axis=0)
    assume(np.abs(mean).min() > 0.05)
    steps = int(np.ceil(2 / (step * np.abs(mean).min())))
    end = learn(g.sign_agreement(), dataset, start, update="brud", steps=steps, step_size=step).policies[-1]
    np.testing.assert_allclose(end, np.sign(mean[::-1]), atol=1e-9)


@given(strategies.situations())
def test_bias_is_one_error_in_one_moment_for_each_term(situation):
    """prop-bias, for any number of players."""
    game, policy, dataset = situation
    expected = np.zeros(game.players)
    for k, c in np.ndenumerate(game.coefficients):
        for i in range(game.players):
            others = [j for j in range(game.players) if j != i]
            powers = np.array([k[j] for j in others])
            error = (dataset[:, others] ** powers).prod(axis=1).mean() - (policy[others] ** powers).prod()
            if k[i]:
                expected[i] += k[i] * c * policy[i] ** (k[i] - 1) * error
    np.testing.assert_allclose(g.bias(game, policy, dataset), expected, atol=1e-8)


@given(st.data())
def test_parity_blindness(data):
    """prop-parity: BRUD is the same on even and on odd corners."""
    game = data.draw(strategies.games())
    policy, size = data.draw(strategies.policies(game.players)), data.draw(st.floats(0.1, 1))
    corners = size * np.array(list(np.ndindex(*[2] * game.players))) * 2 - size
    even = corners.prod(axis=1) > 0
    here, there = (g.brud_gradient(game, policy, corners[rows]) for rows in (even, ~even))
    np.testing.assert_allclose(here, there, atol=1e-9)


@given(strategies.situations(), st.floats(0, 1), st.floats(0, 2), st.floats(0, 8))
def test_a_correction_lowers_the_exponent(situation, beta, exponent, steepness):
    """prop-correction: importance weights to the power beta are PJAP with exponent (1 - beta) p."""
    game, policy, dataset = situation
    settings = {"steepness": steepness, "floor": 1e-3}
    drawn = g.proximal_probabilities(policy, dataset, exponent=exponent, **settings)
    weights = drawn * (len(dataset) * drawn) ** -beta
    corrected = g.replayed_gradient(game, policy, dataset, weights / weights.sum())
    expected = g.pjap_gradient(game, policy, dataset, exponent=(1 - beta) * exponent, **settings)
    np.testing.assert_allclose(corrected, expected, atol=1e-8)


@given(st.data())
def test_the_sampled_distance_bounds_the_error(data):
    """prop-pjap-error, for any probabilities."""
    game, policy, dataset = data.draw(strategies.situations())
    raw = data.draw(st.lists(st.integers(1, 9), min_size=len(dataset), max_size=len(dataset)))
    P = sampling_probabilities(np.array(raw, dtype=float))
    error = np.abs(g.replayed_gradient(game, policy, dataset, P) - game.gradient(policy))
    bound = curvature_bound(game)
    np.fill_diagonal(bound, 0)
    assert np.all(error <= game.players * bound.max(axis=1) * (P @ joint_action_distance(dataset, policy)) + 1e-9)


@given(st.data())
def test_the_two_limits_of_the_steepness(data):
    """prop-interpolation: the bound towards the true gradient, and BRUD again beyond the blind radius."""
    game = data.draw(strategies.games(players=2))
    policy, radius = 0.5 * data.draw(strategies.policies(2)), data.draw(st.floats(0.2, 0.8))
    steepness, floor = data.draw(st.floats(0.5, 20)), data.draw(st.floats(1e-6, 1e-2))
    dataset = strategies.grid(20)
    distances = joint_action_distance(dataset, policy)
    share = (distances <= radius / 2).mean()
    bound = curvature_bound(game)
    np.fill_diagonal(bound, 0)
    epsilon = max(np.exp(-3 * (steepness * radius) ** 2 / 4), floor * np.exp((steepness * radius) ** 2 / 4))
    limit = 2 * bound.max(axis=1) * (radius + distances.max() / share * epsilon)
    error = np.abs(g.pjap_gradient(game, policy, dataset, steepness=steepness, floor=floor) - game.gradient(policy))
    assert np.all(error <= limit + 1e-9)

    off = policy + 0.0021  # in no row of the dataset
    nearest = joint_action_distance(dataset, off).min()
    blind = np.sqrt(np.log(1 / floor)) / nearest * 1.001
    beyond = g.pjap_gradient(game, off, dataset, steepness=blind, floor=floor)
    np.testing.assert_allclose(beyond, g.brud_gradient(game, off, dataset), atol=1e-9)


@given(strategies.situations(), st.floats(0, 8), st.sampled_from([1e-2, 1e-4, 1e-6]), st.floats(0, 2))
def test_a_little_more_steepness_changes_the_update_a_little(situation, steepness, more, exponent):
    """prop-interpolation, part 1: BRUD at 0; and continuous as the log weights are, of slope up to 2 p alpha d^2."""
    game, policy, dataset = situation
    settings = {"exponent": exponent, "floor": 1e-3}
    at_zero = g.pjap_gradient(game, policy, dataset, steepness=0.0, **settings)
    np.testing.assert_allclose(at_zero, g.brud_gradient(game, policy, dataset), atol=1e-9)
    here, there = (
        g.pjap_gradient(game, policy, dataset, steepness=alpha, **settings) for alpha in (steepness, steepness + more)
    )
    steepest = 2 * exponent * (steepness + more) * joint_action_distance(dataset, policy).max() ** 2
    largest = np.abs(game.coefficients).sum() * max(game.coefficients.shape)
    assert np.abs(there - here).max() <= steepest * more * largest + 1e-9


@given(strategies.datasets(2), st.floats(0, 8))
def test_leading_eigenvalue_at_the_miscoordinated_point(dataset, steepness):
    """prop-critical: the closed form, on data with the symmetry that it asks for."""
    rows = np.abs(dataset) + 0.013
    symmetric = np.concatenate([r * [s, t] for r in (rows, rows[:, ::-1]) for s in (1, -1) for t in (1, -1)])
    distances = joint_action_distance(symmetric, [0.0, 0.0])
    priorities = np.exp(-((steepness * distances) ** 2))
    floor = 1e-4
    assume(np.abs(priorities - floor).min() > 1e-8)
    P = sampling_probabilities(proximal_priorities(distances, steepness=steepness, floor=floor))
    np.testing.assert_allclose(g.replayed_gradient(g.twin_peaks(), [0.0, 0.0], symmetric, P), 0, atol=1e-9)
    expected = -2 - 8 * P @ symmetric[:, 1] ** 2 + 5 * steepness**2 * P @ (distances**2 * (priorities > floor))
    actual = g.leading_eigenvalue(g.twin_peaks(), [0, 0], symmetric, steepness=steepness, floor=floor)
    assert actual == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(strategies.policies(2), st.integers(1, 60), st.floats(0.01, 0.2), st.floats(0.1, 2), st.floats(0.1, 2))
def test_how_stale_is_too_stale(policy, interval, step, spread, bandwidth):
    """prop-stale: what one refresh interval does to agreement and to disagreement."""
    kappa = g.shrinkage_factor(spread, bandwidth)
    drawn = g.gaussian_shrinkage([0, 0], spread**2 * np.eye(2), bandwidth, policy)
    after = policy + interval * step * drawn[::-1]  # the probabilities, hence the update, stay as they are
    assert after.sum() == pytest.approx((1 + interval * step * kappa) * policy.sum(), abs=1e-9)
    assert after[0] - after[1] == pytest.approx((1 - interval * step * kappa) * (policy[0] - policy[1]), abs=1e-9)
    apart, limit = abs(policy[0] - policy[1]), 2 / (step * kappa)
    if apart > 0.001 and abs(interval - limit) > 0.001:
        assert (abs(after[0] - after[1]) < apart) == (interval < limit)


@given(strategies.datasets(2), strategies.policies(2), st.floats(0, 1.5))
def test_twin_peaks_destinations_of_gaussian_data(dataset, start, spread):
    """prop-twin-peaks-destination: range, limit of learning, and the closed form for data around a peak."""
    destination = g.brud_destination(g.twin_peaks(), dataset, start)
    assert np.abs(destination).max() <= 5 / 8 + 1e-12
    step = 0.99 / (1 + 4 * (dataset**2).mean(axis=0).max())
    end = learn(g.twin_peaks(), dataset, start, update="brud", steps=400, step_size=step).policies[-1]
    np.testing.assert_allclose(end, destination, atol=1e-3)
    peak = np.sqrt(3 / 8)
    t = 1 / (1 + 8 / 5 * spread**2)
    two_points = peak + spread * np.array([[1.0, 1.0], [-1.0, -1.0]])  # mean p and variance s^2, as the Gaussian
    gaussian = g.brud_destination(g.twin_peaks(), two_points, start)
    np.testing.assert_allclose(gaussian, t * peak, atol=1e-9)
    assert g.twin_peaks().reward(gaussian) == pytest.approx(9 / 16 * t**2 * (2 - t**2), abs=1e-9)


@given(strategies.datasets(2), strategies.policies(2), st.floats(0, 8))
def test_where_pjap_rests_in_twin_peaks(dataset, policy, steepness):
    """prop-tp-pjap-rest: the update is the way to that point, times a positive number."""
    P = g.proximal_probabilities(policy, dataset, steepness=steepness)
    first, second = (P @ dataset)[::-1], (P @ dataset**2)[::-1]
    rest = 5 * first / (2 + 8 * second)
    update = g.pjap_gradient(g.twin_peaks(), policy, dataset, steepness=steepness)
    np.testing.assert_allclose(update, (2 + 8 * second) * (rest - policy), atol=1e-9)


def test_gaussian_data_seen_through_pjap_end_to_end():
    """prop-gaussian, prop-recoupling: in `test_theory.py` in closed form; here on drawn data and with learning."""
    data = datasets.gaussian([0, 0], 0.25, size=4000, seed=0)
    for start, best in (([0.5, -0.4], 1.0), ([-0.5, 0.4], -1.0)):
        end = learn(g.sign_agreement(), data, start, update="pjap", steps=400, step_size=0.1).policies[-1]
        np.testing.assert_allclose(end, best)


def test_every_proposition_is_named_by_a_test():
    """In its docstring, where a label in a link or in this very test does not count."""
    nodes = [node for path in (ROOT / "tests").rglob("test_*.py") for node in ast.walk(ast.parse(path.read_text()))]
    tests = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    this = test_every_proposition_is_named_by_a_test.__name__
    named = "\n".join(ast.get_docstring(test) or "" for test in tests if test.name != this)
    chapters = "\n".join(path.read_text() for path in (ROOT / "book").glob("*.md"))
    stated = re.findall(r"\{prf:(?:proposition|theorem|lemma|corollary)\}[^\n]*\n:label: (\S+)", chapters)
    assert len(stated) == len(re.findall(r"\{prf:(?:proposition|theorem|lemma|corollary)\}", chapters)) >= 20
    assert [label for label in stated if not re.search(rf"(?<![\w-]){label}(?![\w-])", named)] == []
