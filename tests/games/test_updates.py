"""True, BRUD and PJAP updates: definitions, decoupling, marginal blindness, and the two limits of PJAP."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pjap import games as g
from pjap.priorities import joint_action_distance, proximal_priorities
from tests.games import strategies


def replayed_by_definition(game, policy, dataset, weights):
    """One data point and one player at a time: the others' actions are the recorded ones, its own is current."""
    gradient = np.zeros(game.players)
    for recorded, weight in zip(dataset, weights, strict=True):
        for player in range(game.players):
            mixed = recorded.copy()
            mixed[player] = policy[player]
            gradient[player] += weight * game.gradient(mixed)[player]
    return gradient


@given(strategies.situations())
def test_brud_is_its_definition(situation):
    game, policy, dataset = situation
    expected = replayed_by_definition(game, policy, dataset, np.full(len(dataset), 1 / len(dataset)))
    np.testing.assert_allclose(g.brud_gradient(game, policy, dataset), expected, atol=1e-9)


@given(strategies.situations(), st.floats(0, 20), st.floats(0, 2))
def test_pjap_is_its_definition(situation, steepness, exponent):
    game, policy, dataset = situation
    weights = np.clip(np.exp(-((steepness * np.abs(dataset - policy).mean(axis=1)) ** 2)), 1e-3, 1) ** exponent
    expected = replayed_by_definition(game, policy, dataset, weights / weights.sum())
    actual = g.pjap_gradient(game, policy, dataset, steepness=steepness, exponent=exponent, floor=1e-3)
    np.testing.assert_allclose(actual, expected, atol=1e-9)


@given(st.data())
def test_a_batch_of_policies_is_each_of_them(data):
    game = data.draw(strategies.games())
    policies, dataset = data.draw(strategies.policies(game.players, 3)), data.draw(strategies.datasets(game.players))
    for update in (g.true_gradient, g.brud_gradient, g.pjap_gradient):
        each = [update(game, policy, dataset) for policy in policies]
        np.testing.assert_allclose(update(game, policies, dataset), each, atol=1e-12)


def test_one_policy_and_a_batch_of_datasets():
    batch = np.random.default_rng(0).uniform(-1, 1, (4, 5, 2))
    expected = [g.brud_gradient(g.twin_peaks(), [0.3, -0.2], dataset) for dataset in batch]
    np.testing.assert_allclose(g.brud_gradient(g.twin_peaks(), [0.3, -0.2], batch), expected)


@given(strategies.situations())
def test_with_the_current_joint_action_as_only_data_all_three_are_one(situation):
    game, policy, _ = situation
    expected = g.true_gradient(game, policy)
    np.testing.assert_allclose(g.brud_gradient(game, policy, policy[None]), expected, atol=1e-9)
    np.testing.assert_allclose(g.pjap_gradient(game, policy, policy[None]), expected, atol=1e-9)


@given(st.data())
def test_decoupling(data):
    """Player i's BRUD update does not depend on what the others' policies are."""
    game, policy, dataset = data.draw(strategies.situations())
    elsewhere = data.draw(strategies.policies(game.players))
    for player in range(game.players):
        moved = elsewhere.copy()
        moved[player] = policy[player]
        here, there = (g.brud_gradient(game, mu, dataset)[player] for mu in (policy, moved))
        assert here == pytest.approx(there, abs=1e-9)


@given(st.data())
def test_marginal_blindness(data):
    """prop-marginal-blindness: shuffling a column changes the joint distribution, not the marginals, and not BRUD."""
    game, policy, dataset = data.draw(strategies.situations(players=2))
    order = data.draw(st.permutations(range(len(dataset))))
    shuffled = np.column_stack([dataset[:, 0], dataset[order, 1]])
    expected = g.brud_gradient(game, policy, dataset)
    np.testing.assert_allclose(g.brud_gradient(game, policy, shuffled), expected, atol=1e-9)


@given(st.data())
def test_equal_moments_teach_the_same(data):
    """prop-marginal-blindness, part 3: other marginals with the moments that the game reads, here mean and square."""
    game = g.PolynomialGame(data.draw(arrays(float, (3, 3), elements=strategies.coefficients)))
    policy, middle, spread = (data.draw(strategies.policies(2)) for _ in range(3))
    wide, narrow = np.array([2**0.5, -(2**0.5), 0, 0]), np.array([1.0, -1, 1, -1])
    here, there = (g.brud_gradient(game, policy, middle + spread * shape[:, None]) for shape in (wide, narrow))
    np.testing.assert_allclose(here, there, atol=1e-9)
    fourth = g.PolynomialGame([[0, 0, 0, 0, 0], [0, 0, 0, 0, 1]])  # x y^4 reads another moment of Y, and that differs
    here, there = (g.brud_gradient(fourth, policy, np.stack([shape, shape], axis=1))[0] for shape in (wide, narrow))
    assert (here, there) == (pytest.approx(2), pytest.approx(1))


@given(st.data())
def test_with_three_players_only_the_others_joint_marginal_counts(data):
    """Shuffling player i's own column leaves player i's update alone."""
    game, policy, dataset = data.draw(strategies.situations(players=3))
    order = data.draw(st.permutations(range(len(dataset))))
    for player in range(3):
        shuffled = dataset.copy()
        shuffled[:, player] = dataset[order, player]
        here, there = (g.brud_gradient(game, policy, rows)[player] for rows in (dataset, shuffled))
        assert here == pytest.approx(there, abs=1e-9)


def test_three_players_are_not_blind_to_the_structure_of_the_others():
    coordinated = np.array([[0, 1.0, 1.0], [0, -1.0, -1.0]])
    anti = np.array([[0, 1.0, -1.0], [0, -1.0, 1.0]])
    first = [g.brud_gradient(g.three_way_agreement(), [0, 0, 0], rows)[0] for rows in (coordinated, anti)]
    assert first == [1, -1]


def test_pjap_sees_the_joint_structure_that_brud_cannot():
    policy = [0.7, 0.6]
    coordinated, anti = g.datasets.coordinated_pairs(), g.datasets.anti_coordinated_pairs()
    game = g.sign_agreement()
    for dataset in (coordinated, anti):
        np.testing.assert_allclose(g.brud_gradient(game, policy, dataset), 0, atol=1e-12)
    assert np.all(g.pjap_gradient(game, policy, coordinated) > 0.7)
    assert not np.all(g.pjap_gradient(game, policy, anti) > 0)


@given(strategies.situations())
def test_pjap_becomes_brud_as_steepness_goes_to_zero(situation):
    game, policy, dataset = situation
    np.testing.assert_allclose(
        g.pjap_gradient(game, policy, dataset, steepness=0), g.brud_gradient(game, policy, dataset), atol=1e-9
    )
    gaps = [
        np.abs(g.pjap_gradient(game, policy, dataset, steepness=a) - g.brud_gradient(game, policy, dataset)).max()
        for a in (1e-2, 1e-4)
    ]
    assert gaps[1] <= 1e-3 * gaps[0] + 1e-9  # falls with the square of the steepness


@given(st.data())
def test_pjap_becomes_the_true_gradient_as_steepness_grows_with_dense_data(data):
    """With data as dense as the kernel is narrow, the error shrinks with the kernel's width."""
    game = data.draw(strategies.games(players=2))
    policy = 0.8 * data.draw(strategies.policies(2))
    dense = strategies.grid(150)
    size = np.abs(game.coefficients).sum() * game.coefficients.size**2
    expected = g.true_gradient(game, policy)
    for steepness in (10.0, 30.0):
        error = np.abs(g.pjap_gradient(game, policy, dense, steepness=steepness, floor=1e-12) - expected).max()
        assert error <= 2 * size / steepness**2 + 1e-2 * size / steepness


def test_far_from_all_data_pjap_turns_back_into_brud():
    dataset = g.datasets.gaussian([0.9, 0.9], 1e-4, size=50, seed=0)
    policy = [-0.9, -0.8]
    assert np.all(proximal_priorities(joint_action_distance(dataset, policy)) == 1e-4)
    game = g.twin_peaks()
    np.testing.assert_allclose(g.pjap_gradient(game, policy, dataset), g.brud_gradient(game, policy, dataset))


@pytest.mark.parametrize("update", [g.brud_gradient, g.pjap_gradient])
@pytest.mark.parametrize(
    ("policy", "dataset", "message"),
    [
        ([0, 0, 0], [[1, 1]], r"policy has shape \(3,\), expected \(..., 2\)"),
        ([0, np.nan], [[1, 1]], "policy holds NaN"),
        ([0, 0], [1, 1], r"dataset has shape \(2,\), expected \(m, 2\)"),
        ([0, 0], np.ones((4, 3)), "expected"),
        ([0, 0], np.ones((0, 2)), "dataset is empty"),
        ([0, 0], [[np.inf, 0]], "dataset holds NaN or infinity"),
    ],
)
def test_bad_input_is_refused(update, policy, dataset, message):
    with pytest.raises(ValueError, match=message):
        update(g.sign_agreement(), policy, dataset)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="steepness is -1"):
        g.pjap_gradient(g.sign_agreement(), [0, 0], [[1, 1]], steepness=-1)
    with pytest.raises(ValueError, match=r"probabilities has shape \(2,\), expected \(..., 1\)"):
        g.replayed_gradient(g.sign_agreement(), [0, 0], [[1, 1]], [0.5, 0.5])
    for weights in ([3, 1], [1.5, -0.5]):
        with pytest.raises(ValueError, match="a negative number or does not sum to 1"):
            g.replayed_gradient(g.sign_agreement(), [0, 0], [[1, 1], [0, 0]], weights)
