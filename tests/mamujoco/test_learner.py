"""The learners: against a plain re-derivation of one update, and on games whose truth is known."""

import dataclasses
from functools import cache, partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pjap.mamujoco import bridge, learner, networks, replay
from pjap.mamujoco.learner import LEARNERS, Settings, default_settings
from pjap.mamujoco.networks import apply_critic, init_critics, value_joint_actions
from pjap.priorities import effective_sample_size

TINY = {"width": 8, "memory_size": 6, "batch_size": 5, "sequence_length": 4, "cql_samples": 3, "normalise": True}
STEPS = 60


def make_data(normalise=True, steps=STEPS):
    rng = np.random.default_rng(0)
    flags = rng.uniform(size=(2, steps)) < 0.15  # many episode ends, of both kinds
    dataset = SimpleNamespace(
        observations=rng.normal(1.0, 2.0, (steps, 2, 4)),
        actions=rng.uniform(-1, 1, (steps, 2, 2)),
        rewards=rng.normal(size=steps),
        terminals=flags[0],
        truncations=flags[1],
        state=rng.normal(-1.0, 3.0, (steps, 3)),
    )
    return replay.load(dataset, normalise=normalise)


def leaves_of(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def same(one, other):
    pairs = zip(leaves_of(one), leaves_of(other), strict=True)
    return all(mine.shape == theirs.shape and (mine == theirs).all() for mine, theirs in pairs)


# --- One update, derived again in plain float64 NumPy ---------------------------------------------------------------


def relu(values):
    return np.maximum(values, 0)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def perceptron(layers, inputs):
    for layer in layers[:-1]:
        inputs = relu(inputs @ layer["weight"] + layer["bias"])
    return inputs @ layers[-1]["weight"] + layers[-1]["bias"]


def recurrent_actions(policy, observations, resets):
    """One agent of one sequence at a time, with its one-hot number in its observation."""
    length, batch, agents, _ = observations.shape
    size = policy["output"]["weight"].shape[0]
    actions = np.zeros((length, batch, agents, policy["output"]["weight"].shape[1]))
    for b in range(batch):
        for agent in range(agents):
            memory = np.zeros(size)
            for t in range(length):
                inputs = np.concatenate([np.eye(agents)[agent], observations[t, b, agent]])
                hidden = relu(inputs @ policy["input"]["weight"] + policy["input"]["bias"])
                new = hidden @ policy["unit"]["weight"] + policy["unit"]["bias"]
                old = memory @ policy["memory"]["weight"] + policy["memory"]["bias"]
                update = sigmoid(new[:size] + old[:size])
                reset = sigmoid(new[size : 2 * size] + old[size : 2 * size])
                candidate = np.tanh(new[2 * size :] + reset * old[2 * size :])
                memory = (1 - update) * memory + update * candidate
                actions[t, b, agent] = np.tanh(relu(memory) @ policy["output"]["weight"] + policy["output"]["bias"])
                if resets[t, b]:
                    memory = np.zeros(size)
    return actions


def acted(policies, steps):
    if isinstance(policies, dict):
        return recurrent_actions(policies, steps.observations, steps.terminals + steps.truncations)
    columns = [np.tanh(perceptron(policy, steps.observations[:, :, agent])) for agent, policy in enumerate(policies)]
    return np.stack(columns, axis=2)


def joined(actions):
    return actions.reshape(*actions.shape[:2], -1)


def valued(critic, state, joint_action):
    return perceptron(critic, np.concatenate([state, joint_action], axis=-1))[..., 0]


def derived_targets(settings, state, steps, target_noise):
    noise = np.clip(settings.target_noise * target_noise, -settings.target_noise_clip, settings.target_noise_clip)
    following = joined(np.clip(acted(state.target_policies, steps)[1:] + noise, -1, 1))
    values = np.minimum(*(valued(critic, steps.state[1:], following) for critic in state.target_critics))
    return settings.reward_scale * steps.rewards[:-1] + settings.discount * (1 - steps.terminals[:-1]) * values


def derived_critic_loss(critics, settings, steps, targets, current, uniform, noise):
    """Temporal differences and, for CQL, the penalty, one out-of-distribution action at a time."""
    counted, total = 1 - steps.truncations[:-1], 0.0
    for critic in critics:
        values = valued(critic, steps.state[:-1], joined(steps.actions)[:-1])
        total += 0.5 * (counted * (values - targets) ** 2).sum() / counted.sum()
        if settings.learner == "bc":
            continue
        weighted = []
        for k in range(settings.cql_samples):
            flat = 0.5 ** uniform.shape[-1]
            weighted.append(valued(critic, steps.state[:-1], uniform[:, :, k]) - np.log(flat))
            for part in (slice(None, -1), slice(1, None)):
                drawn = np.clip(joined(current)[part] + settings.cql_sigma * noise[:, :, k], -1, 1)
                density = np.exp(-0.5 * noise[:, :, k] ** 2) / (settings.cql_sigma * np.sqrt(2 * np.pi))
                weighted.append(valued(critic, steps.state[:-1], drawn) - np.log(density.prod(-1)))
        total += settings.cql_weight * (np.log(np.exp(weighted).sum(0)).mean() - values.mean())
    return total


def derived_values(policies, settings, critics, steps):
    """Each agent in turn moves while the others' actions are the data's (or, in comparison, the policies')."""
    before = SimpleNamespace(**{name: leaf[:-1] for name, leaf in vars(steps).items()})
    current, values = acted(policies, before), []
    for agent in range(current.shape[2]):
        actions = (before.actions if settings.partners == "replayed" else current).copy()
        actions[:, :, agent] = current[:, :, agent]
        both = [valued(critic, before.state, joined(actions)) for critic in critics]
        values.append(both[0] if settings.learner == "bc" else np.minimum(*both))
    return np.stack(values if settings.partners == "replayed" else values[:1]), current


def derived_policy_loss(policies, settings, critics, steps, scale):
    values, current = derived_values(policies, settings, critics, steps)
    loss = -sum(value.mean() for value in values)
    replayed = steps.actions[:-1]
    if settings.learner == "bc":
        loss *= settings.value_weight / scale
        loss += sum(((current - replayed)[:, :, agent] ** 2).mean() for agent in range(2))
    return loss + settings.action_penalty * sum((current[:, :, agent] ** 2).mean() for agent in range(2))


def finite_differences(loss, tree):
    """The gradient of a loss by central differences, as one vector."""
    leaves, structure = jax.tree.flatten(tree)
    leaves = [leaf.copy() for leaf in leaves]
    slopes = []
    for leaf in leaves:
        flat = leaf.reshape(-1)
        for index in range(flat.size):
            ends = []
            for step in (1e-6, -1e-6):
                kept, flat[index] = flat[index], flat[index] + step
                ends.append(loss(jax.tree.unflatten(structure, leaves)))
                flat[index] = kept
            slopes.append((ends[0] - ends[1]) / 2e-6)
    return np.array(slopes)


def first_gradient(settings, optimiser_state, before, after):
    """What the first step of Adam or RMSProp saw, from the moments that it keeps."""
    flat = partial(np.concatenate)
    if settings.recurrent:
        sizes = flat([np.sqrt(10 * leaf).ravel() for leaf in leaves_of(optimiser_state[0].nu)])
        steps = [(new - old).ravel() for new, old in zip(leaves_of(after), leaves_of(before), strict=True)]
        return -np.sign(flat(steps)) * sizes
    return flat([10 * leaf.ravel() for leaf in leaves_of(optimiser_state[0].mu)])


def assert_same_gradient(ours, derived):
    assert ours @ derived / np.linalg.norm(ours) / np.linalg.norm(derived) > 1 - 1e-6
    assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(derived), rel=1e-3)


DERIVED = {
    "bc": default_settings("bc", **TINY, action_penalty=0.1, reward_scale=2.0),
    "bc, current partners": default_settings("bc", **TINY, partners="current"),
    "cql": default_settings("cql", **TINY, target_noise=0.4),
    "recurrent-cql": default_settings("recurrent-cql", **TINY),
}


def some_batch(settings, data):
    return replay.take(data, jnp.array([0, 11, 23, 37, 50]), settings.window)


@pytest.mark.parametrize("name", DERIVED)
def test_one_update_is_the_derived_one(name):
    settings, data = DERIVED[name], make_data()
    state = learner.init(settings, data, seed=3)
    # After one step the targets differ from the online networks, as they should for the test to see which is used.
    state = state._replace(target_policies=jax.tree.map(lambda leaf: 0.7 * leaf, state.policies))
    state = state._replace(target_critics=jax.tree.map(lambda leaf: 0.8 * leaf, state.critics))
    batch = some_batch(settings, data)
    key = jax.random.PRNGKey(9)

    @jax.jit
    def update(state, batch, key):
        middle, critic_metrics = learner.update_critics(settings, state, batch, key)
        return middle, critic_metrics, *learner.update_policies(settings, middle, batch, None)

    middle, critic_metrics, after, policy_metrics = update(state, batch, key)

    steps = SimpleNamespace(**{field: np.asarray(leaf, np.float64) for field, leaf in batch._asdict().items()})
    exact, exact_middle = (
        jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), one._replace(key=0)) for one in (state, middle)
    )
    target_key, uniform_key, noise_key = jax.random.split(key, 3)
    length, size = settings.window, (settings.batch_size, settings.cql_samples, 4)
    target_noise, uniform, noise = (
        np.asarray(draw, np.float64)
        for draw in (
            jax.random.normal(target_key, batch.actions[1:].shape),
            jax.random.uniform(uniform_key, (length - 1, *size), minval=-1.0, maxval=1.0),
            jax.random.normal(noise_key, (length - 1, *size)),
        )
    )
    targets, current = derived_targets(settings, exact, steps, target_noise), acted(exact.policies, steps)

    def critic_loss(critics):
        return derived_critic_loss(critics, settings, steps, targets, current, uniform, noise)

    total = critic_metrics["critic_loss"] + settings.cql_weight * critic_metrics["cql_penalty"]
    assert float(total) == pytest.approx(critic_loss(exact.critics), rel=1e-5)
    assert_same_gradient(
        first_gradient(settings, middle.critic_optimiser, state.critics, middle.critics),
        finite_differences(critic_loss, exact.critics),
    )

    values, current = derived_values(exact.policies, settings, exact_middle.critics, steps)

    def policy_loss(policies):
        return derived_policy_loss(policies, settings, exact_middle.critics, steps, np.abs(values).mean())

    assert float(policy_metrics["policy_loss"]) == pytest.approx(policy_loss(exact.policies), rel=1e-4)
    assert float(policy_metrics["policy_value"]) == pytest.approx(values.mean(), rel=1e-4, abs=1e-6)
    assert float(policy_metrics["distance"]) == pytest.approx(np.abs(current - steps.actions[:-1]).mean(), rel=1e-5)
    assert_same_gradient(
        first_gradient(settings, after.policy_optimiser, state.policies, after.policies),
        finite_differences(policy_loss, exact.policies),
    )
    for ours, before, online in (
        (after.target_policies, state.target_policies, after.policies),
        (after.target_critics, state.target_critics, middle.critics),
    ):
        moved = jax.tree.map(lambda target, new: target + settings.target_rate * (new - target), before, online)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), ours, moved)


@pytest.mark.parametrize("name", ["bc", "cql"])
def test_the_measured_cosine_is_that_of_two_derived_gradients(name):
    settings, data = DERIVED[name], make_data()
    state, batch = learner.init(settings, data, seed=3), some_batch(settings, data)
    steps = SimpleNamespace(**{field: np.asarray(leaf, np.float64) for field, leaf in batch._asdict().items()})
    exact = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), state._replace(key=0))

    def slopes(partners):
        chosen = dataclasses.replace(settings, partners=partners)
        return finite_differences(
            lambda policies: derived_values(policies, chosen, exact.critics, steps)[0].mean((1, 2)).sum(),
            exact.policies,
        )

    replayed, current = slopes("replayed"), slopes("current")
    expected = replayed @ current / np.linalg.norm(replayed) / np.linalg.norm(current)
    assert abs(expected) < 0.99, "so that the two can be told apart"
    assert float(learner.gradient_cosine(settings, state, batch)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["bc", "cql", "recurrent-cql"])
def test_the_measured_cosine_is_1_where_the_recorded_partners_are_the_current_ones(name):
    settings, data = DERIVED[name], make_data()
    state, batch = learner.init(settings, data, seed=3), some_batch(settings, data)
    own = batch._replace(actions=learner.unroll(state.policies, batch))
    assert float(learner.gradient_cosine(settings, state, own)) == pytest.approx(1, abs=1e-5)
    assert float(learner.gradient_cosine(settings, state, batch)) < 0.999


@pytest.mark.parametrize(("name", "refresh"), [("bc", "random"), ("bc", "sweep"), ("recurrent-cql", "sweep")])
def test_priorities_are_the_derived_ones_and_are_refreshed_under_the_target_policies(name, refresh):
    settings = default_settings(
        name, **TINY, sampling="pjap", refresh=refresh, refresh_size=20, steepness=3.0, floor=0.05, exponent=0.7
    )
    data = make_data()
    state = learner.init(settings, data, seed=0)
    window = settings.window if settings.recurrent else 1
    everything = replay.take(data, jnp.arange(replay.items(data, settings.window)), window)
    steps = SimpleNamespace(**{field: np.asarray(leaf, np.float64) for field, leaf in everything._asdict().items()})

    def derived(policies):
        policies = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), policies)
        return np.abs(acted(policies, steps) - steps.actions).mean((0, 2, 3))

    np.testing.assert_allclose(state.priorities.distances, derived(state.policies), rtol=1e-5)
    changed = state._replace(target_policies=jax.tree.map(lambda leaf: -2 * leaf, state.policies))
    refreshed = jax.jit(partial(learner._refresh, settings))(data, changed)
    different = np.flatnonzero(np.asarray(refreshed.distances != state.priorities.distances))
    if refresh == "sweep":
        np.testing.assert_array_equal(different, np.arange(20))
        assert int(refreshed.position) == 20
    assert 0 < len(different) <= 20
    np.testing.assert_allclose(refreshed.distances[different], derived(changed.target_policies)[different], rtol=1e-5)
    weights = np.clip(np.exp(-((3.0 * np.asarray(refreshed.distances, np.float64)) ** 2)), 0.05, 1) ** 0.7
    np.testing.assert_allclose(replay.leaf_weights(refreshed), weights, rtol=1e-4)


def test_values_of_several_joint_actions_are_those_of_each():
    critic = init_critics(jax.random.PRNGKey(0), 3, 4, 16)[0]
    state, actions = (
        jax.random.normal(jax.random.PRNGKey(seed), shape) for seed, shape in ((1, (7, 3)), (2, (7, 5, 4)))
    )
    together = value_joint_actions(critic, state, actions)
    for k in range(5):
        np.testing.assert_allclose(
            together[:, k], apply_critic(critic, state, actions[:, k].reshape(7, 2, 2)), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("network", ["policies", "critic", "recurrent policy"])
def test_gradients_are_those_of_plain_matrix_products(network, monkeypatch):
    key = jax.random.PRNGKey(0)
    observations, states, actions = (
        jax.random.normal(jax.random.PRNGKey(seed), shape)
        for seed, shape in ((1, (4, 7, 2, 3)), (2, (7, 3)), (3, (7, 5, 4)))
    )
    parameters, apply = {
        "policies": (
            networks.init_policies(key, 2, 3, 2, 16),
            lambda policies: networks.apply_policies(policies, observations),
        ),
        "critic": (
            init_critics(key, 3, 4, 16)[0],
            lambda critic: value_joint_actions(critic, states, actions),
        ),
        "recurrent policy": (
            networks.init_recurrent_policy(key, 2, 3, 2, 16, 8),
            lambda policy: networks.unroll_recurrent(policy, observations, jnp.zeros((4, 7)).at[1, 2].set(1)),
        ),
    }[network]

    def gradient():
        return jax.grad(lambda parameters: jnp.sin(apply(parameters)).sum())(parameters)

    ours = gradient()
    monkeypatch.setattr(networks, "product", lambda inputs, weight, transposed=None: inputs @ weight)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), ours, gradient())


def test_normal_numbers_are_those_of_jax():
    key = jax.random.key(0, impl=learner.GENERATOR)
    for shape in ((), (3, 5), (2, 4097)):
        np.testing.assert_array_equal(learner.standard_normal(key, shape), jax.random.normal(key, shape))


# --- Seeds, settings, files -----------------------------------------------------------------------------------------


def quick(**changes):
    """Settings whose compiled loop is shared by several tests."""
    changes = {"sampling": "pjap", "refresh_size": 16, "refresh_every": 2, "floor": 0.2} | changes
    return default_settings("bc", **{**TINY, **changes})


def test_seeds_decide_initial_parameters_and_batches():
    settings, data = quick(), make_data()
    one, again, other = (learner.init(settings, data, seed) for seed in (0, 0, 1))
    assert same(one, again)
    for mine, theirs in zip(
        leaves_of((one.policies, one.critics)), leaves_of((other.policies, other.critics)), strict=True
    ):
        assert (mine != theirs).all()
    # The same networks with another seed's key see other batches.
    batches = [learner._draw(settings, data, one.priorities, learner._key(state, 1)) for state in (one, again, other)]
    assert same(batches[0], batches[1])
    assert not same(batches[0], batches[2])


def test_agents_start_from_different_networks_and_so_do_the_critics():
    state = learner.init(quick(), make_data(), seed=0)
    assert not same(*state.policies)
    assert not same(*state.critics)
    assert same((state.policies, state.critics), (state.target_policies, state.target_critics))


def test_interrupted_saved_and_resumed_is_uninterrupted(tmp_path):
    settings, data = quick(), make_data()
    start = learner.init(settings, data, seed=0)
    whole, _ = learner.train(settings, start, data, 8)
    half, _ = learner.train(settings, start, data, 4)
    learner.save(tmp_path / "run.npz", settings, half)
    loaded = learner.load(tmp_path / "run.npz", settings, data)
    assert same(half, loaded)
    resumed, _ = learner.train(settings, loaded, data, 4)
    assert int(resumed.updates) == 8
    assert same(whole, resumed)
    assert not same(whole.policies, half.policies)


def test_training_scores_again_once_in_refresh_every_updates():
    """The schedule of `train` itself; `outcome` below has one of its own."""
    settings, data = quick(refresh="sweep", refresh_every=8), make_data()
    start = learner.init(settings, data, seed=0)
    count = len(start.priorities.distances)
    for blocks in (1, 3):
        state, _ = learner.train(settings, start, data, 8 * blocks)
        assert int(state.updates) == 8 * blocks
        assert int(state.priorities.position) == blocks * settings.refresh_size < count


def test_the_wanted_effective_sample_size_is_left():
    settings, data = quick(target_ess=0.3, floor=1e-3, refresh_size=2000), make_data(steps=2000)
    state = learner.init(settings, data, seed=0)
    for priorities in (state.priorities, learner._refresh(settings, data, state)):
        assert effective_sample_size(replay.leaf_weights(priorities)) / 2000 == pytest.approx(0.3, abs=0.05)


def test_the_policies_are_improved_on_the_last_batch_that_the_critics_saw(monkeypatch):
    settings, data, seen = quick(policy_delay=2), make_data(), []
    state = learner.init(settings, data, seed=0)
    for update in ("update_critics", "update_policies"):
        monkeypatch.setattr(learner, update, lambda _, state, steps, *given: seen.append(steps) or (state, {}))
    with jax.disable_jit():
        learner._update(settings, data, None, state)
    assert [same(each, seen[-1]) for each in seen] == [False, True, True]


def test_another_dataset_or_other_settings_cannot_be_resumed(tmp_path):
    settings, data = quick(), make_data()
    path = tmp_path / "run.npz"
    learner.save(path, settings, learner.init(settings, data, seed=0))
    with pytest.raises(ValueError, match=r"other settings \(steepness 4.0 -> 5.0\)"):
        learner.load(path, quick(steepness=5.0), data)
    wider = dataclasses.replace(data, state_size=2, observation_size=5)
    with pytest.raises(ValueError, match="another scenario, width or dataset"):
        learner.load(path, settings, wider)
    with pytest.raises(ValueError, match="there is no file"):
        learner.load(tmp_path / "none.npz", settings, data)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"not a whole \.npz file"):
        learner.load(path, settings, data)


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    settings, data = quick(), make_data()
    state, path = learner.init(settings, data, seed=0), tmp_path / "run.npz"
    learner.save(path, settings, state)
    before = path.read_bytes()

    def disk_full(file, **arrays):
        file.write(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", disk_full)
    with pytest.raises(OSError, match="No space left"):
        learner.save(path, settings, state._replace(updates=state.updates + 1))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]


CHANGES = {
    "sampling": "uniform",
    "steepness": 1.0,
    "target_ess": 0.5,
    "exponent": 0.5,
    "floor": 0.5,
    "refresh": "random",
    "refresh_every": 4,
    "partners": "current",
    "prioritised": "critics",
    "critic_learning_rate": 1e-3,
    "policy_learning_rate": 1e-3,
    "discount": 0.9,
    "target_rate": 0.1,
    "policy_delay": 2,
    "target_noise": 0.1,
    "target_noise_clip": 0.05,
    "value_weight": 1.0,
    "action_penalty": 0.5,
    "reward_scale": 0.1,
    "normalise": False,
}
CHANGES_OF_PROGRAM = {
    "learner": "cql",
    "cql_weight": 1.0,
    "cql_sigma": 0.1,
    "refresh_size": 30,
    "width": 7,
    "memory_size": 5,
    "sequence_length": 3,
    "batch_size": 6,
    "cql_samples": 2,
}


@pytest.fixture(scope="module")
def outcome():
    """What eight updates lead to, operation by operation: to compile the loop for each setting would take minutes."""
    known = {}

    def run(settings):
        if settings not in known:
            data = make_data(normalise=settings.normalise)
            state = learner.init(settings, data, seed=0)
            for turn in range(8 // settings.policy_delay):
                if turn % (settings.refresh_every // settings.policy_delay) == 0:
                    state = state._replace(priorities=learner._refresh(settings, data, state))
                with jax.disable_jit():
                    state, _ = learner._update(settings, data, None, state)
            known[settings] = state
        return known[settings]

    return run


@pytest.mark.parametrize("name", CHANGES)
def test_each_setting_changes_the_result(name, outcome):
    base = quick(policy_delay=1, policy_learning_rate=0.05, target_rate=0.5)
    assert getattr(base, name) != CHANGES[name]
    assert not same(outcome(base).policies, outcome(dataclasses.replace(base, **{name: CHANGES[name]})).policies)


@cache
def program(settings):
    data = make_data()
    state = jax.eval_shape(lambda: learner.init(settings, data, 0))
    return str(jax.make_jaxpr(partial(learner._train, settings, exact=None))(state, data, 1))


@pytest.mark.parametrize("name", CHANGES_OF_PROGRAM)
def test_each_size_and_each_setting_of_cql_changes_the_program(name):
    base = default_settings("recurrent-cql", **TINY, sampling="pjap", refresh_size=8)
    assert program(base) != program(dataclasses.replace(base, **{name: CHANGES_OF_PROGRAM[name]}))


def test_no_setting_is_left_untested():
    assert sorted([*CHANGES, *CHANGES_OF_PROGRAM]) == sorted(field.name for field in dataclasses.fields(Settings))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling": "per"}, "unknown sampling 'per': choose one of uniform, pjap"),
        ({"partners": "none"}, "unknown partners"),
        ({"prioritised": "none"}, "unknown prioritised 'none': choose one of both, critics, policies"),
        ({"refresh": "all"}, "unknown refresh"),
        ({"steepness": -1.0}, "steepness must be .* at least 0, got -1.0"),
        ({"steepness": float("nan")}, "steepness"),
        ({"floor": 0.0}, r"floor must be in \(0, 1\]"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"sequence_length": 1}, "sequence_length must be at least 2"),
        ({"discount": 1.0}, "discount"),
        ({"target_ess": 0.0}, "target_ess"),
        ({"critic_learning_rate": 0.0}, "critic_learning_rate"),
        ({"refresh_every": 3}, "refresh_every must be a multiple of policy_delay"),
        ({"floor": 1e-20, "exponent": 3}, r"at least 1e-30, got 1e-20 \*\* 3: raise floor or lower exponent"),
        ({"floor": 1e-40, "exponent": 0.5}, "at least 1e-30"),
        ({"alpha": 3.0}, "unknown setting 'alpha'"),
        ({"steepness": "steep"}, "steepness must be a number, got 'steep'"),
        ({"target_ess": "a tenth"}, "target_ess must be a number, got 'a tenth'"),
        ({"discount": None}, "discount must be a number, got None"),
        ({"batch_size": 2.5}, r"batch_size must be a whole number \(int\), got 2.5"),
        ({"width": True}, "width must be a whole number"),
        ({"width": np.int64(8)}, "width must be a whole number"),
        ({"normalise": "no"}, "normalise must be True or False, got 'no'"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        default_settings("bc", **changes)


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="unknown learner 'maddpg': choose one of bc, cql, recurrent-cql"):
        default_settings("maddpg")
    settings, data = quick(), make_data()
    with pytest.raises(ValueError, match="fewer than one window of 100"):
        learner.init(default_settings("recurrent-cql", sequence_length=100), data, 0)
    raw = make_data(normalise=False)
    with pytest.raises(ValueError, match="loaded with normalise=False, the settings expect True"):
        learner.init(settings, raw, 0)
    state = learner.init(settings, data, 0)
    with pytest.raises(ValueError, match="loaded with normalise=False"):
        learner.train(settings, state, raw, 2)
    for updates in (0, 3):
        with pytest.raises(ValueError, match="positive multiple of refresh_every = 2"):
            learner.train(settings, state, data, updates)
    with pytest.raises(ValueError, match="exact critic"):
        learner.train(settings, state, data, 2, lambda act, state, actions: state[..., 0])


def test_divergence_is_an_error():
    settings, data = quick(), make_data()
    state = learner.init(settings, data, 0)
    broken = state._replace(critics=jax.tree.map(lambda leaf: leaf * jnp.nan, state.critics))
    with pytest.raises(FloatingPointError, match="diverged by update 4"):
        learner.train(settings, broken, data, 4)


# --- Acting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEARNERS)
def test_acting_step_by_step_is_what_training_unrolls(name):
    settings, data = default_settings(name, **TINY), make_data()
    state = learner.init(settings, data, seed=1)
    windows = replay.take(data, jnp.array([3, 20]), 6)
    windows = windows._replace(terminals=0 * windows.terminals, truncations=0 * windows.truncations)
    trained = learner.unroll(state.policies, windows)
    policy = learner.policy_of(state, data)
    memory = learner.empty_memory(policy, 2)
    for t in range(6):
        seen = windows.observations[t] * data.observation_scale + data.observation_mean  # as the environment shows it
        actions, memory = learner.act(policy, np.asarray(seen, np.float64), memory)
        np.testing.assert_allclose(actions, trained[t], atol=1e-5)


@pytest.mark.parametrize("prioritised", ["both", "critics", "policies"])
def test_priorities_are_for_the_updates_that_are_named(prioritised):
    """Half of the recorded joint actions are near the policies and pay 1, the others are far and pay nothing."""
    rng = np.random.default_rng(0)
    near = np.arange(400) % 2 == 0
    dataset = SimpleNamespace(
        observations=rng.normal(size=(400, 2, 4)),
        actions=np.where(near[:, None, None], 0.0, 1.0) * np.ones((400, 2, 2)),
        rewards=1.0 * near,
        terminals=np.zeros(400, bool),
        truncations=np.zeros(400, bool),
        state=rng.normal(size=(400, 3)),
    )
    data = replay.load(dataset)
    chosen = {"sampling": "pjap", "steepness": 20.0, "floor": 1e-9, "prioritised": prioritised}
    learning = {"critic_learning_rate": 1e-2, "policy_learning_rate": 1e-6, "discount": 0.0}
    settings = default_settings("bc", width=16, batch_size=64, **chosen, **learning)
    state, _ = learner.train(settings, learner.init(settings, data, seed=0), data, 200)
    _, metrics = learner.train(settings, state, data, 100)
    assert metrics["distance_uniform"] == pytest.approx(0.5, abs=0.15)
    drawn = {"policies": metrics["distance"] < 0.3, "critics": metrics["data_value"] > 0.8}
    assert drawn == {each: prioritised in ("both", each) for each in drawn}


def test_the_measured_cosine_is_of_a_batch_that_is_drawn_as_the_policy_update_draws(monkeypatch):
    data, drawn_from = make_data(), {}
    for prioritised in ("both", "critics", "policies"):
        settings, drawn = quick(prioritised=prioritised), []
        state = learner.init(settings, data, 0)
        monkeypatch.setattr(learner, "_draw", lambda *given, drawn=drawn: drawn.append(given[2]) or jnp.arange(5))
        jax.eval_shape(lambda state, settings=settings: learner._measure(settings, data, state, None), state)
        drawn_from[prioritised] = [priorities is not None for priorities in drawn]
    assert drawn_from == {"both": [True, False], "critics": [False, False], "policies": [True, False]}


def test_the_two_measured_cosines_are_not_swapped(monkeypatch):
    settings, data = quick(), make_data()
    state, own, uniform = learner.init(settings, data, 0), jnp.arange(5), jnp.arange(20, 25)
    monkeypatch.setattr(learner, "_draw", lambda *given: uniform if given[2] is None else own)
    measured = jax.jit(partial(learner._measure, settings, data, exact=None))(state)
    cosine = jax.jit(partial(learner.gradient_cosine, settings))
    for name, starts in (("gradient_cosine", own), ("gradient_cosine_uniform", uniform)):
        expected = cosine(state, replay.take(data, starts, settings.window))
        assert float(measured[name]) == pytest.approx(float(expected), abs=1e-4)
    assert abs(measured["gradient_cosine"] - measured["gradient_cosine_uniform"]) > 0.01


class ShortEpisodes:
    """Three copies that end after 1, 2 and 4 steps, one of them cut off, and pay for actions before and after."""

    ends = np.array([1, 2, 4])

    def __init__(self):
        self.observations, self.elapsed = np.ones((3, 2, 4)), 0

    def reset(self, which):
        self.__init__()

    def step(self, actions):
        self.elapsed += 1
        ended = self.ends == self.elapsed
        return 1 + actions.sum((1, 2)), ended & (self.ends != 2), ended & (self.ends == 2)


@pytest.mark.parametrize("name", ["bc", "recurrent-cql"])
def test_evaluation_counts_each_copy_until_its_first_end_and_keeps_the_memory(name):
    settings, data, environment = default_settings(name, **TINY), make_data(), ShortEpisodes()
    policy = learner.policy_of(learner.init(settings, data, seed=1), data)
    returns, memory = np.zeros(3), learner.empty_memory(policy, 3)
    for step in range(4):
        actions, memory = learner.act(policy, environment.observations, memory)
        returns += environment.step(np.asarray(actions))[0] * (step < environment.ends)
    np.testing.assert_allclose(learner.evaluate(policy, environment), returns, rtol=1e-6)


# --- Coordination, on games whose truth is known --------------------------------------------------------------------

PUSH, PEAKS = bridge.PushGame(), bridge.contextual_twin_peaks()
SMALL = {"width": 32, "batch_size": 128, "normalise": False, "target_noise": 0.0}
RATES = {"policy_learning_rate": 1e-3, "critic_learning_rate": 1e-3}


def final_returns(game, data, sampling, updates, exact=None):
    returns, settings = [], default_settings("bc", sampling=sampling, **SMALL, **RATES)
    for seed in range(3):
        state, metrics = learner.train(settings, learner.init(settings, data, seed), data, updates, exact)
        assert (metrics["effective_sample_size"] < 0.8) == (sampling == "pjap")
        environment = bridge.GameEnvironment(game, 300, seed=5)
        returns.append(learner.evaluate(learner.policy_of(state, data), environment).mean())
    return np.array(returns)


def test_with_a_learnt_critic_uniform_bc_does_not_push_and_pjap_does():
    """Random partners push either way, so that each agent had better not push at all: unless it sees who joins in."""
    data = replay.load(bridge.make_dataset(PUSH, [bridge.random_team], episodes=2000, seed=0), normalise=False)
    assert np.abs(final_returns(PUSH, data, "uniform", 2000)).max() < 0.1
    assert final_returns(PUSH, data, "pjap", 2000).min() > 0.5


def test_with_the_true_critic_uniform_bc_ends_between_the_peaks_and_pjap_on_one():
    """Extrapolation error is not what fails here: the values are exact."""
    teams = [bridge.peak_team(1), bridge.peak_team(-1)]
    data = replay.load(bridge.make_dataset(PEAKS, teams, episodes=4000, seed=0), normalise=False)
    best = bridge.best_joint_action(PEAKS, bridge.GameEnvironment(PEAKS, 300, seed=5).state)[1].mean()
    exact = bridge.exact_critic(PEAKS)
    assert np.abs(final_returns(PEAKS, data, "uniform", 1500, exact)).max() < 0.05 * best
    assert final_returns(PEAKS, data, "pjap", 1500, exact).min() > 0.5 * best
