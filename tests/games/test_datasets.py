"""Datasets: shape, seed, distribution, refusal of bad input."""

import numpy as np
import pytest

from pjap.games import datasets

MADE = {
    "gaussian": lambda seed: datasets.gaussian([0.1, 0.2], [[0.2, 0.1], [0.1, 0.3]], size=50_000, seed=seed),
    "uniform": lambda seed: datasets.uniform(3, 50_000, seed=seed),
    "mixture": lambda seed: datasets.mixture(
        [[[1, 1]], [[-1, 0], [0, -1]]], 50_000, seed=seed, proportions=[0.25, 0.75]
    ),
    "replay": lambda seed: datasets.replay([[0.2, 0.4], [-0.2, 0.0]], noise=0.1, size=50_000, seed=seed),
}


@pytest.mark.parametrize("name", MADE)
def test_the_seed_decides(name):
    first, again, other = MADE[name](0), MADE[name](0), MADE[name](1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_distributions():
    np.testing.assert_allclose(np.cov(MADE["gaussian"](0).T), [[0.2, 0.1], [0.1, 0.3]], atol=0.01)
    np.testing.assert_allclose(MADE["gaussian"](0).mean(axis=0), [0.1, 0.2], atol=0.01)
    np.testing.assert_allclose(MADE["uniform"](0).var(axis=0), 1 / 3, atol=0.01)
    np.testing.assert_allclose(MADE["replay"](0).mean(axis=0), [0, 0.2], atol=0.01)
    np.testing.assert_allclose(MADE["replay"](0).var(axis=0), 0.2**2 + 0.1**2, atol=0.002)
    rows, counts = np.unique(MADE["mixture"](0), axis=0, return_counts=True)
    assert rows.tolist() == [[-1, 0], [0, -1], [1, 1]]
    np.testing.assert_allclose(counts / counts.sum(), [0.375, 0.375, 0.25], atol=0.01)


def test_proportions_may_be_rounded():
    parts = [[[1, 1]], [[0, 0]], [[-1, -1]]]
    rounded, exact = (datasets.mixture(parts, 50, seed=0, proportions=[third] * 3) for third in (0.3333333, 1 / 3))
    np.testing.assert_array_equal(rounded, exact)


def test_a_replayed_policy_stays_in_the_box_and_a_gaussian_need_not():
    assert np.abs(datasets.replay([[0.9, -0.9]], noise=1.0, size=1000, seed=0)).max() == 1
    assert np.abs(datasets.gaussian([0.9, -0.9], 1.0, size=1000, seed=0)).max() > 1


def test_pairs_have_equal_marginals_and_opposite_joint_structure():
    agree, differ = datasets.coordinated_pairs(0.5), datasets.anti_coordinated_pairs(0.5)
    np.testing.assert_array_equal(np.sort(agree, axis=0), np.sort(differ, axis=0))
    assert agree.prod(axis=1).tolist() == [0.25, 0.25]
    assert differ.prod(axis=1).tolist() == [-0.25, -0.25]


def test_points_are_copied():
    rows = np.ones((2, 2))
    dataset = datasets.points(rows)
    rows[:] = 0
    assert dataset.min() == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: datasets.points([1, 2]), r"expected \(m, n\)"),
        (lambda: datasets.points(np.ones((0, 2))), "at least one row"),
        (lambda: datasets.points([[1]]), "at least two"),
        (lambda: datasets.points([[np.nan, 1]]), "NaN"),
        (lambda: datasets.gaussian([0], 1, 5, seed=0), "mean has shape"),
        (lambda: datasets.gaussian([0, 0], [[1, 2], [2, 1]], 5, seed=0), "not a covariance"),
        (lambda: datasets.gaussian([0, 0], [[1, 0.5], [0, 1]], 5, seed=0), "not a covariance"),
        (lambda: datasets.gaussian([0, 0], -1, 5, seed=0), "not a covariance"),
        (lambda: datasets.gaussian([0, 0], [1, 1], 5, seed=0), r"expected \(2, 2\) or a number"),
        (lambda: datasets.gaussian([0, 0], 1, 0, seed=0), "size is 0"),
        (lambda: datasets.uniform(1, 5, seed=0), "players is 1"),
        (lambda: datasets.uniform(2, 0, seed=0), "size is 0"),
        (lambda: datasets.mixture([], 5, seed=0), "at least one"),
        (lambda: datasets.mixture([[[1, 1]], [[1, 1, 1]]], 5, seed=0), "as many players"),
        (lambda: datasets.mixture([[[1, 1]]], 5, seed=0, proportions=[0.5]), "sum to 1"),
        (lambda: datasets.replay([[0, 0]], -1, 5, seed=0), "noise is -1"),
        (lambda: datasets.coordinated_pairs(0), "scale is 0"),
        (lambda: datasets.anti_coordinated_pairs(1.5), "scale is 1.5"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
