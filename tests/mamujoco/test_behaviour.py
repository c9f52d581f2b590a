"""MATD3: its losses re-derived in NumPy, a tiny run, resume, and team files."""

import dataclasses
import json
import signal
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pjap.files import read_npz, write_atomically
from pjap.mamujoco import behaviour
from pjap.mamujoco.behaviour import (
    Batch,
    TrainingSettings,
    evaluate,
    init_learner,
    list_teams,
    load_team,
    pack,
    save_team,
    train,
    unpack,
    update,
)
from pjap.mamujoco.environment import Environment, make_library_environment, observe, read_layout
from pjap.mamujoco.networks import name_leaves

TINY = TrainingSettings(
    transitions=400,
    copies=4,
    width=8,
    updates_per_step=4,
    batch_size=8,
    random_transitions=40,
    replay_capacity=200,
    evaluate_every=200,
)


@pytest.fixture(scope="module")
def layout():
    return read_layout(make_library_environment("2halfcheetah"))


@pytest.fixture(scope="module")
def compiled(layout):
    return behaviour.make_learn_and_act(layout, TINY)


@pytest.fixture(autouse=True)
def quick(monkeypatch, compiled):
    """Short evaluations, and one compilation for all runs: the seed enters through the arguments."""
    monkeypatch.setattr("pjap.mamujoco.environment.EPISODE_LENGTH", 20)
    monkeypatch.setattr(behaviour, "FINAL_EPISODES", 3)
    # Teams that have hardly learnt lose, but only those that win are written.
    monkeypatch.setattr(behaviour, "evaluate", lambda *given, **more: 100 + evaluate(*given, **more))
    monkeypatch.setattr(behaviour, "make_learn_and_act", lambda layout, settings: compiled)


def random_batch(layout, rng, *leading):
    normal = lambda *shape: jnp.asarray(rng.normal(size=(*leading, *shape)), jnp.float32)  # noqa: E731
    terminals = jnp.asarray(rng.integers(0, 2, leading), jnp.float32)
    actions = jnp.tanh(normal(layout.agents, layout.action_size))
    return Batch(normal(layout.state_size), actions, normal(), terminals, normal(layout.state_size))


def dense(layers, inputs):
    """A multi-layer perceptron in float64."""
    for layer in layers[:-1]:
        inputs = np.maximum(inputs @ np.float64(layer["weight"]) + np.float64(layer["bias"]), 0)
    return inputs @ np.float64(layers[-1]["weight"]) + np.float64(layers[-1]["bias"])


def team_actions(policies, state, layout):
    observations = observe(np.float64(state), layout.observed)
    return np.tanh(np.stack([dense(policy, observations[:, i]) for i, policy in enumerate(policies)], axis=1))


def value(critic, state, actions):
    return dense(critic, np.concatenate([np.float64(state), actions.reshape(len(actions), -1)], axis=1))[:, 0]


def test_losses_agree_with_a_numpy_derivation(layout):
    rng = np.random.default_rng(0)
    settings = dataclasses.replace(TINY, target_noise=0.4, target_noise_clip=0.5)
    learner = init_learner(jax.random.key(0), layout, settings)
    other = init_learner(jax.random.key(1), layout, settings)
    learner = learner._replace(target_policies=other.policies, target_critics=other.critics)
    batch, noise = random_batch(layout, rng, 16), rng.normal(size=(16, 2, 3)).astype(np.float32)

    smoothed = team_actions(other.policies, batch.next_state, layout) + np.clip(0.4 * noise, -0.5, 0.5)
    smoothed = np.clip(smoothed, -1, 1)
    next_value = np.minimum(*(value(critic, batch.next_state, smoothed) for critic in other.critics))
    target = np.float64(batch.rewards) + 0.99 * (1 - np.float64(batch.terminals)) * next_value
    errors = [value(critic, batch.state, np.float64(batch.actions)) - target for critic in learner.critics]
    expected = sum((error**2).mean() for error in errors)

    loss = jax.jit(partial(behaviour.critic_loss, observed=layout.observed, settings=settings))
    np.testing.assert_allclose(loss(learner.critics, learner, batch, noise), expected, rtol=1e-5)
    policy_loss = jax.jit(behaviour.policy_loss)(learner.policies, learner, batch.state, layout.observed)
    now = value(learner.critics[0], batch.state, team_actions(learner.policies, batch.state, layout))
    np.testing.assert_allclose(policy_loss, -now.mean(), rtol=1e-5)


def test_one_delayed_update_is_its_parts_in_order(layout):
    settings = dataclasses.replace(TINY, target_rate=0.1)
    learner = init_learner(jax.random.key(0), layout, settings)
    batches = random_batch(layout, np.random.default_rng(0), 2, 8)
    key, optimiser = jax.random.key(3), optax.adam(settings.learning_rate)
    after, _ = jax.jit(partial(update, observed=layout.observed, settings=settings))(learner, batches, key)

    @jax.jit
    def part_by_part(noise):
        critics, state = learner.critics, learner.critic_optimiser
        for turn in range(2):
            batch = jax.tree.map(lambda leaf, turn=turn: leaf[turn], batches)
            gradient = jax.grad(behaviour.critic_loss)(critics, learner, batch, noise[turn], layout.observed, settings)
            step, state = optimiser.update(gradient, state)
            critics = optax.apply_updates(critics, step)
        improved = learner._replace(critics=critics)
        gradient = jax.grad(behaviour.policy_loss)(learner.policies, improved, batch.state, layout.observed)
        step, _ = optimiser.update(gradient, learner.policy_optimiser)
        return critics, optax.apply_updates(learner.policies, step)

    critics, policies = part_by_part(jax.random.normal(key, batches.actions.shape))
    old, new = (learner.target_policies, learner.target_critics), (policies, critics)
    targets = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, old, new)
    ours = (after.policies, after.critics, (after.target_policies, after.target_critics))
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6), ours, (policies, critics, targets))


def test_rows_hold_transitions(layout):
    batch = random_batch(layout, np.random.default_rng(0), 5)
    back = unpack(pack(*(np.asarray(leaf) for leaf in batch)), layout)
    jax.tree.map(np.testing.assert_array_equal, back, batch)


def test_truncation_is_bootstrapped_and_termination_is_not(monkeypatch):
    monkeypatch.setattr("pjap.mamujoco.environment.EPISODE_LENGTH", 3)
    run = behaviour.start_run(dataclasses.replace(TINY, scenario="3hopper", random_transitions=10**6))
    for _ in range(40):
        behaviour.advance(run, None)
    batch = unpack(run.replay[: run.taken], run.environment.layout)
    assert not batch.terminals.any()  # three steps are too short to fall, so every end is a truncation
    monkeypatch.setattr("pjap.mamujoco.environment.EPISODE_LENGTH", 1000)
    for _ in range(40):
        behaviour.advance(run, None)
    batch = unpack(run.replay, run.environment.layout)
    assert batch.terminals.any()
    state, following = np.asarray(batch.state), np.asarray(batch.next_state)
    assert (np.abs(following - state).max(axis=1) > 0).all()
    fallen = following[np.asarray(batch.terminals) == 1]
    assert ((fallen[:, 0] < 0.7) | (np.abs(fallen[:, 1]) > 0.2)).all()  # the end itself, not the next beginning


def test_a_run_is_repeatable_and_seeds_differ(tmp_path):
    paths = [
        train(dataclasses.replace(TINY, seed=seed), tmp_path / str(number), tmp_path / "unfinished.npz")[0]
        for number, seed in enumerate((0, 0, 1))
    ]
    first, again, other = (name_leaves(load_team(path).policies) for path in paths)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])
    assert not (tmp_path / "unfinished.npz").exists()
    record = json.loads(paths[0].with_suffix(".json").read_text())
    assert record["settings"] == dataclasses.asdict(TINY)
    assert record["evaluation"]["episodes"] == 3
    assert [entry["transitions"] for entry in record["log"]] == [200, 400]


def test_an_interrupted_run_resumed_equals_an_uninterrupted_one(tmp_path, monkeypatch):
    whole = train(TINY, tmp_path / "whole", tmp_path / "whole.npz")
    advance = behaviour.advance

    def press_ctrl_c(run, learn_and_act):
        loss = advance(run, learn_and_act)
        if run.taken == 240:
            signal.raise_signal(signal.SIGINT)
        return loss

    monkeypatch.setattr(behaviour, "advance", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt, match="stopped after 240 transitions"):
        train(TINY, tmp_path / "resumed", tmp_path / "resumed.npz")
    assert list((tmp_path / "resumed").iterdir()) == []
    monkeypatch.setattr(behaviour, "advance", advance)
    resumed = train(TINY, tmp_path / "resumed", tmp_path / "resumed.npz")
    for one, other in zip(whole, resumed, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_run_that_fails_when_it_writes_its_teams_is_not_lost(tmp_path, monkeypatch):
    checkpoint = tmp_path / "run.npz"
    late = dataclasses.replace(TINY, random_transitions=300)
    monkeypatch.setattr(behaviour, "evaluate", lambda *given, **more: -100 + evaluate(*given, **more))
    with pytest.raises(ValueError, match=r"no snapshot has a mean return above 0, the best has -1.*: train longer"):
        train(late, tmp_path, checkpoint)
    monkeypatch.setattr(behaviour, "advance", None)
    monkeypatch.setattr(behaviour, "write_teams", lambda run, *_: run.log)
    log = train(late, tmp_path, checkpoint)
    assert [entry["critic_loss"] is None for entry in log] == [True, False]  # none before learning starts
    json.loads(json.dumps(log), parse_constant=pytest.fail)
    assert not checkpoint.exists()


class Bar:
    """In a progress bar's place."""

    done = 0

    def update(self, more):
        self.done += more


def test_the_final_evaluation_shows_its_progress(tmp_path, capsys):
    bar = Bar()
    run = behaviour.start_run(TINY)
    returns = evaluate(run.learner.policies, TINY.scenario, episodes=3, seed=0, bar=bar)
    assert bar.done == len(returns) == 3
    run.log, run.snapshots = [{"transitions": 100, "return_mean": 10.0}], [run.learner.policies]
    behaviour.write_teams(run, tmp_path, "")
    shown = capsys.readouterr().err
    assert "final evaluation: 100%" in shown
    assert "12/12" in shown


def test_good_is_the_best_snapshot_and_medium_the_first_that_reaches_its_fraction(tmp_path, monkeypatch, layout):
    monkeypatch.setattr(behaviour, "evaluate", lambda *given, **more: np.ones(3))
    log = [{"transitions": 100 * i, "return_mean": mean} for i, mean in enumerate([10.0, 50.0, 100.0, 80.0])]
    snapshots = [init_learner(jax.random.key(i), layout, TINY).policies for i in range(4)]
    run = behaviour.start_run(TINY)
    run.log, run.snapshots = log, snapshots
    for path, chosen in zip(behaviour.write_teams(run, tmp_path, ""), (2, 1), strict=True):
        team = load_team(path)
        jax.tree.map(np.testing.assert_array_equal, team.policies, snapshots[chosen])
        assert team.provenance["snapshot_transitions"] == 100 * chosen
        assert team.provenance["log"] == log


@pytest.mark.parametrize("error", [MemoryError, PermissionError])
def test_what_says_nothing_of_a_file_does_not_ask_to_delete_it(error, monkeypatch, tmp_path):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(np, "load", fail)
    with pytest.raises(error):
        read_npz(tmp_path / "checkpoint.npz")


def test_a_checkpoint_of_other_settings_or_shapes_is_refused(tmp_path):
    checkpoint = tmp_path / "run.npz"
    run = behaviour.start_run(TINY)
    behaviour.save_checkpoint(run, checkpoint)
    with pytest.raises(ValueError, match=r"width 8 \(now 16\)"):
        train(dataclasses.replace(TINY, width=16), tmp_path / "out", checkpoint)
    run.learner = init_learner(jax.random.key(0), run.environment.layout, dataclasses.replace(TINY, width=16))
    behaviour.save_checkpoint(run, checkpoint)
    with pytest.raises(ValueError, match=r"shape \(16,\), expected \(8,\)"):
        train(TINY, tmp_path / "out", checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"not a whole \.npz"):
        train(TINY, tmp_path / "out", checkpoint)


def test_a_folder_that_cannot_be_written_to_is_noticed_before_training(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(behaviour, "start_run", lambda settings: pytest.fail("training has started"))
    with pytest.raises(OSError, match="cannot write to folder"):
        train(TINY, tmp_path / "file" / "teams", tmp_path / "run.npz")


@pytest.mark.parametrize("step", ["os.fsync", "os.replace", "tempfile.mkstemp"])
def test_a_failed_write_leaves_the_old_file_and_is_named(tmp_path, monkeypatch, step):
    path = tmp_path / "team.npz"
    path.write_bytes(b"old")
    monkeypatch.setattr(step, lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match=r"cannot write .*team\.npz \(No space left on device\): make room"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"copies": 0}, "copies must be"),
        ({"updates_per_step": 3}, "multiple"),
        ({"replay_capacity": 1}, "hold"),
        ({"seed": 2**32}, r"seed must be in \[0, 2\*\*32\), got 4294967296"),
        ({"discount": 2.0}, r"discount must be in \[0, 1\), got 2.0"),
        ({"learning_rate": -1.0}, "learning_rate must be a finite number above 0, got -1.0"),
        ({"target_rate": 7.0}, r"target_rate must be in \(0, 1\], got 7.0"),
        ({"exploration_noise": -1.0}, "exploration_noise must be a finite number of at least 0"),
        ({"target_noise": float("nan")}, "target_noise must be"),
        ({"medium_fraction": 5.0}, "medium_fraction must be"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **change)


def test_team_files(tmp_path, layout):
    policies = init_learner(jax.random.key(0), layout, TINY).policies
    record = {"scenario": "2halfcheetah", "settings": {"width": 8}}
    path = save_team(tmp_path / "mine.npz", policies, record)
    jax.tree.map(np.testing.assert_array_equal, load_team(path).policies, policies)
    save_team(path, policies, record | {"scenario": "6halfcheetah"})
    with pytest.raises(ValueError, match=r"another scenario|holds no array"):
        load_team(path)
    with pytest.raises(ValueError, match="no team 'nobody'"):
        load_team("nobody")
    path.write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match="not a whole"):
        load_team(path)


@pytest.mark.parametrize("name", list_teams("2halfcheetah"))
def test_shipped_teams_run_as_recorded(name, monkeypatch):
    monkeypatch.setattr("pjap.mamujoco.environment.EPISODE_LENGTH", 1000)
    team = load_team(name)
    recorded = team.provenance["evaluation"]
    returns = evaluate(team.policies, team.scenario, episodes=3, seed=123)
    # Other machines round differently, and a chaotic gait then differs: the level is compared, not the number.
    assert abs(np.median(returns) - recorded["mean"]) < 0.15 * recorded["mean"] + recorded["std"]


def test_evaluation_counts_each_copy_until_its_first_end(monkeypatch):
    monkeypatch.setattr("pjap.mamujoco.environment.EPISODE_LENGTH", 1000)
    layout = read_layout(make_library_environment("3hopper"))
    policies = init_learner(jax.random.key(0), layout, TINY).policies
    returns = evaluate(policies, "3hopper", episodes=3, seed=4)
    environment, alone = Environment("3hopper", 3, 4, threads=1), np.zeros(3)
    ended = np.zeros(3, bool)
    while not ended.all():
        rewards, terminals, _ = environment.step(behaviour.act(policies, environment.observations.astype(np.float32)))
        alone += np.where(ended, 0, rewards)
        ended |= terminals
    np.testing.assert_allclose(returns, alone)
