"""Aggregates with intervals: agreement with the definitions, seeds, coverage, refusal of bad input."""

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp

from pjap.mamujoco import statistics

SCORES = np.random.default_rng(0).normal([0.5, 0.8], 0.1, size=(10, 2))


def test_points_are_the_definitions():
    found = statistics.aggregate(SCORES)
    assert found["mean"].point == pytest.approx(SCORES.mean())
    assert found["median"].point == pytest.approx(np.median(SCORES.mean(axis=0)))
    middle = np.sort(SCORES.ravel())[5:15]
    assert found["IQM"].point == pytest.approx(middle.mean())
    assert all(each.low < each.point < each.high for each in found.values())


def test_the_seed_decides_the_interval():
    first, again, other = (statistics.aggregate(SCORES, seed=seed)["mean"] for seed in (0, 0, 1))
    assert first == again
    assert first.low != other.low


def test_runs_are_drawn_within_each_task():
    """The mean of these rows is always 0: if rows were drawn whole, there would be no interval."""
    estimate = statistics.aggregate(SCORES[:, :1] * [1, -1])["mean"]
    assert estimate.high - estimate.low > 0.01


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    """95% intervals of 20 runs; the bootstrap's are known to be a little short at this size."""
    generator = np.random.default_rng(1)
    covered = [
        (estimate := statistics.aggregate(generator.normal(size=20), resamples=300)["mean"]).low < 0 < estimate.high
        for _ in range(120)
    ]
    assert 0.85 <= np.mean(covered) <= 0.99


def test_probability_of_improvement_counts_pairs():
    method, baseline = [1.0, 3.0, 5.0], [2.0, 2.0, 4.0]
    wins = np.mean([[float(a > b) for b in baseline] for a in method])
    assert statistics.probability_of_improvement(method, baseline).point == pytest.approx(wins)
    assert statistics.probability_of_improvement(method, method).point == pytest.approx(0.5)


def test_an_interval_of_the_probability_of_improvement_covers_the_truth():
    """Normal scores a standard deviation apart: the better one wins with probability Phi(1 / sqrt 2)."""
    generator = np.random.default_rng(2)
    covered = []
    for _ in range(120):
        method, baseline = generator.normal(1, 1, 20), generator.normal(0, 1, 20)
        estimate = statistics.probability_of_improvement(method, baseline, resamples=300)
        covered.append(estimate.low < norm.cdf(np.sqrt(0.5)) < estimate.high)
    assert 0.85 <= np.mean(covered) <= 0.99


def test_pairs_are_by_seed_and_their_interval_is_students():
    found = statistics.paired_difference({0: 10.0, 1: 20.0, 2: 33.0, 7: 0.0}, {2: 30.0, 1: 18.0, 0: 9.0, 9: 5.0})
    known = ttest_1samp([1.0, 2.0, 3.0], 0).confidence_interval(0.95)
    assert found.point == pytest.approx(2.0)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


@pytest.mark.parametrize("pairs", [2, 3, 10])
def test_an_interval_of_few_pairs_covers_the_truth_as_often_as_it_says(pairs):
    differences = np.random.default_rng(pairs).normal(size=(2000, pairs))
    nothing = dict.fromkeys(range(pairs), 0.0)
    covered = [
        (estimate := statistics.paired_difference(dict(enumerate(each)), nothing)).low < 0 < estimate.high
        for each in differences
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: statistics.aggregate([1.0]), "at least two runs"),
        (lambda: statistics.aggregate([1.0, np.nan]), "NaN"),
        (lambda: statistics.probability_of_improvement(SCORES, SCORES[:, 0]), "2 tasks and baseline 1"),
        (lambda: statistics.paired_difference({0: 1.0, 1: 1.0}, {1: 2.0, 2: 3.0}), "at least two runs"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
