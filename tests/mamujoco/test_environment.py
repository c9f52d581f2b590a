"""The environment against Gymnasium-Robotics' own, step by step."""

import mujoco
import numpy as np
import pytest

from pjap.mamujoco.environment import EPISODE_LENGTH, SCENARIOS, Environment, make_library_environment


def start_at(library, position, velocity):
    """Put the library's environment where one of our copies is, the way its own reset does."""
    library.reset()
    simulator = library.single_agent_env.unwrapped
    mujoco.mj_resetData(simulator.model, simulator.data)
    simulator.set_state(position, velocity)


def split(library, joint_action):
    return dict(zip(library.possible_agents, joint_action, strict=True))


def assert_same_observations(ours, theirs):
    for mine, other in zip(ours, theirs.values(), strict=True):
        np.testing.assert_array_equal(mine[: len(other)], other)
        assert not mine[len(other) :].any()


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_equals_gymnasium_robotics_for_a_whole_episode(scenario):
    environment = Environment(scenario, copies=3, seed=5, threads=2)
    copy = 1  # neither first nor last: its neighbours must not disturb it
    library = make_library_environment(scenario)
    start_at(library, environment.data[copy].qpos.copy(), environment.data[copy].qvel.copy())
    rng = np.random.default_rng(0)
    truncated = ended = False
    for _ in range(EPISODE_LENGTH):
        actions = rng.uniform(-1, 1, (3, *environment.layout.actuators.shape)).astype(np.float32)
        rewards, terminals, truncations = environment.step(actions)
        theirs, reward, terminated, truncated_, _ = library.step(split(library, actions[copy]))
        assert_same_observations(environment.observations[copy], theirs)
        np.testing.assert_array_equal(environment.state[copy], library.state())
        np.testing.assert_array_equal(rewards[copy], reward["agent_0"])
        assert terminals[copy] == terminated["agent_0"]
        truncated = truncations[copy]
        assert truncated == truncated_["agent_0"]
        ended |= bool(terminals[copy])
        environment.reset(terminals & (np.arange(3) != copy))
    assert truncated
    assert ended == (SCENARIOS[scenario].healthy_reward > 0)  # the hopper falls, the cheetah cannot


def test_a_reset_draws_what_the_library_draws():
    for scenario in SCENARIOS:
        environment = Environment(scenario, copies=1, seed=0)
        environment._streams[0] = np.random.default_rng(11)
        environment.reset(np.array([True]))
        observations, _ = make_library_environment(scenario).reset(seed=11)
        assert_same_observations(environment.observations[0], observations)


def test_copies_differ_and_seeds_repeat():
    first, second, other = (Environment("2halfcheetah", copies=2, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.state, second.state)
    assert not np.array_equal(first.state[0], first.state[1])
    assert not np.array_equal(first.state, other.state)


def test_the_number_of_threads_changes_nothing():
    environments = [Environment("2halfcheetah", copies=5, seed=3, threads=threads) for threads in (1, 2, 8)]
    rng = np.random.default_rng(0)
    for _ in range(50):
        actions = rng.uniform(-1, 1, (5, 2, 3))
        rewards = [environment.step(actions)[0] for environment in environments]
    for environment, reward in zip(environments, rewards, strict=True):
        np.testing.assert_array_equal(environment.state, environments[0].state)
        np.testing.assert_array_equal(reward, rewards[0])


def test_only_finished_copies_are_reset():
    environment = Environment("2halfcheetah", copies=3, seed=0)
    for _ in range(5):
        environment.step(np.ones((3, 2, 3)))
    before = environment.state.copy()
    environment.reset(np.array([False, True, False]))
    np.testing.assert_array_equal(environment.elapsed, [5, 0, 5])
    changed = (environment.state != before).any(axis=1)
    np.testing.assert_array_equal(changed, [False, True, False])


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_restored_environment_continues_bit_for_bit(scenario):
    environment = Environment(scenario, copies=2, seed=0)
    shape = (2, *environment.layout.actuators.shape)
    rng = np.random.default_rng(1)
    for _ in range(30):
        environment.step(rng.uniform(-1, 1, shape))
    restored = Environment(scenario, copies=2, seed=9)
    restored.restore(environment.save())
    np.testing.assert_array_equal(restored.observations, environment.observations)
    for _ in range(30):
        actions = rng.uniform(-1, 1, shape)
        for one in (environment, restored):
            one.step(actions)
            one.reset(np.array([True, False]) & (one.elapsed == 40))
        np.testing.assert_array_equal(restored.state, environment.state)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"unknown scenario 'cheetah'.*2halfcheetah"):
        Environment("cheetah", copies=1, seed=0)
    with pytest.raises(ValueError, match="at least 1"):
        Environment("2halfcheetah", copies=0, seed=0)
    environment = Environment("2halfcheetah", copies=2, seed=0)
    with pytest.raises(ValueError, match=r"\(2, 2, 3\), got \(2, 6\)"):
        environment.step(np.zeros((2, 6)))
    with pytest.raises(ValueError, match="finite"):
        environment.step(np.full((2, 2, 3), np.nan))
    with pytest.raises(ValueError, match="number of copies"):
        environment.restore(Environment("2halfcheetah", copies=3, seed=0).save())
