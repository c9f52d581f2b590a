"""PJAP's distance, priority, sampling probability and effective sample size, on NumPy and on JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pjap.priorities import (
    effective_sample_size,
    joint_action_distance,
    proximal_priorities,
    sampling_probabilities,
    steepness_for_effective_sample_size,
)

distances = arrays(float, st.integers(1, 12), elements=st.floats(0, 5))
steepnesses = st.floats(0, 50)
floors = st.floats(1e-6, 1)
weights = arrays(float, st.tuples(st.integers(1, 3), st.integers(1, 9)), elements=st.floats(1e-4, 1))


@given(distances, steepnesses, floors)
def test_priorities_lie_between_floor_and_one_and_fall_with_distance(distances, steepness, floor):
    priorities = proximal_priorities(distances, steepness=steepness, floor=floor)
    assert np.all((priorities >= floor) & (priorities <= 1))
    assert np.all(np.diff(priorities[np.argsort(distances)]) <= 0)
    assert proximal_priorities(0.0, steepness=steepness, floor=floor) == 1


@given(weights, st.floats(0, 3))
def test_probabilities_are_probabilities_in_the_order_of_priority(weights, exponent):
    probabilities = sampling_probabilities(weights, exponent=exponent)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1)
    order = np.argsort(weights, axis=-1)
    assert np.all(np.diff(np.take_along_axis(probabilities, order, axis=-1), axis=-1) >= -1e-15)


@given(weights)
def test_effective_sample_size_lies_between_one_and_the_number_of_items(weights):
    size = effective_sample_size(weights)
    assert np.all((size >= 1 - 1e-9) & (size <= weights.shape[-1] + 1e-9))
    np.testing.assert_allclose(effective_sample_size(np.ones_like(weights)), weights.shape[-1])
    np.testing.assert_allclose(effective_sample_size(3 * weights), size)


@given(arrays(float, (4, 3, 2, 2), elements=st.floats(-1, 1)), steepnesses)
def test_numpy_and_jax_agree_under_jit_and_vmap(sequences, steepness):
    """Sequences of (time, agent, action), each with its policy's actions: the shape the learners use."""
    recorded, current = sequences, sequences[::-1]

    def pjap(recorded, current):
        distance = joint_action_distance(recorded, current, axis=(-3, -2, -1))
        return distance, proximal_priorities(distance, steepness=steepness)

    expected = pjap(recorded, current)
    for transform in (lambda f: f, jax.jit, lambda f: jax.jit(jax.vmap(f))):
        answer = transform(pjap)(jnp.asarray(recorded), jnp.asarray(current))
        assert all(isinstance(part, jax.Array) for part in answer)
        # exp turns a relative rounding error of its argument into one as many times larger as the argument
        np.testing.assert_allclose(answer[0], expected[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(answer[1], expected[1], atol=3e-5)
    probabilities = sampling_probabilities(expected[1])
    np.testing.assert_allclose(sampling_probabilities(jnp.asarray(expected[1])), probabilities, rtol=1e-4)
    np.testing.assert_allclose(
        effective_sample_size(jnp.asarray(probabilities)), effective_sample_size(probabilities), rtol=1e-4
    )


@pytest.mark.filterwarnings("error")
def test_tiny_weights_do_not_underflow():
    assert effective_sample_size([1e-300] * 3) == pytest.approx(3)
    np.testing.assert_allclose(sampling_probabilities([1e-300] * 4, exponent=2), 0.25)
    assert np.isfinite(steepness_for_effective_sample_size(np.linspace(0.4, 0.6, 50), 5, floor=1e-300))


@pytest.mark.parametrize("target", [1.5, 10, 60, 99.9, 100])
def test_the_steepness_found_leaves_the_wanted_effective_sample_size(target):
    distances = np.random.default_rng(0).uniform(0, 1, 100)
    steepness = steepness_for_effective_sample_size(distances, target, floor=1e-9)
    left = effective_sample_size(proximal_priorities(distances, steepness=steepness, floor=1e-9))
    assert left == pytest.approx(target, rel=1e-3)


def test_a_target_below_what_the_floor_allows_is_refused():
    with pytest.raises(ValueError, match=r"no steepness leaves less than .* lower floor"):
        steepness_for_effective_sample_size(np.linspace(0.5, 1, 1000), target=1, floor=0.5)
    with pytest.raises(ValueError, match=r"Raise target or exponent \(now 0\)"):
        steepness_for_effective_sample_size([0.0, 0.5, 1.0], target=2, exponent=0)
    with pytest.raises(ValueError, match="no steepness"):
        steepness_for_effective_sample_size(np.zeros(3), target=2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [1e-300, 1e-6, 1e5])
@pytest.mark.parametrize("nearest", [0, 0.05])
def test_the_steepness_goes_with_the_unit_of_distance(unit, nearest):
    distances = nearest + np.linspace(0, 1, 100)
    expected = steepness_for_effective_sample_size(distances, 25)
    assert unit * steepness_for_effective_sample_size(unit * distances, 25) == pytest.approx(expected)


def test_one_item_far_away_hides_no_steepness():
    distances = np.append(np.linspace(0, 1e-6, 100), 1.0)
    steepness = steepness_for_effective_sample_size(distances, 25)
    priorities = proximal_priorities(distances, steepness=steepness)
    assert effective_sample_size(sampling_probabilities(priorities)) == pytest.approx(25)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: joint_action_distance([[0, np.nan]], [0, 0]), "joint_actions holds NaN"),
        (lambda: joint_action_distance(np.zeros((5, 2)), np.zeros(3)), r"shape \(5, 2\) and policy_action \(3,\)"),
        (lambda: proximal_priorities([0.1], steepness=-1), r"steepness is -1, expected a number in \[0, infinity\)"),
        (lambda: proximal_priorities([0.1], steepness=np.inf), "steepness is inf"),
        (lambda: proximal_priorities([0.1], floor=0), r"floor is 0, expected a number in \(0, 1\]"),
        (lambda: proximal_priorities([0.1], floor=2), "floor is 2"),
        (lambda: proximal_priorities([np.inf]), "distances holds NaN or infinity"),
        (lambda: proximal_priorities([0.1, -0.1]), "distances holds a negative number"),
        (lambda: sampling_probabilities([1.0], exponent=-1), "exponent is -1"),
        (lambda: sampling_probabilities([]), "m of at least 1"),
        (lambda: sampling_probabilities([1.0, -0.5]), "priorities holds a negative number"),
        (lambda: effective_sample_size([[1.0, 2.0], [0.0, 0.0]]), "nothing but 0"),
        (lambda: effective_sample_size([]), "m of at least 1"),
        (lambda: steepness_for_effective_sample_size([0.1, 0.2], 3), "target is 3"),
        (lambda: steepness_for_effective_sample_size([[0.1]], 1), r"expected \(m,\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
