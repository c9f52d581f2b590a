"""Datasets: how they are rolled out, Vault round trips, and everything that a bad Vault can be."""

import contextlib
import dataclasses
import io
import json
import re
import shutil

import jax
import numpy as np
import pytest

from pjap import cli
from pjap.mamujoco import dataset as module
from pjap.mamujoco.behaviour import act, save_team
from pjap.mamujoco.dataset import (
    MixtureSettings,
    describe,
    episode_returns,
    join,
    joint_action_coverage,
    load_source,
    make_dataset,
    make_vault,
    read_vault,
    roll_out,
    to_experience,
    write_vault,
)
from pjap.mamujoco.environment import make_library_environment, observe, read_layout
from pjap.mamujoco.networks import init_policies

SMALL = MixtureSettings(transitions=60, copies=2)


@pytest.fixture(scope="module")
def layouts():
    return {name: read_layout(make_library_environment(name)) for name in ("2halfcheetah", "3hopper", "6halfcheetah")}


@pytest.fixture
def teams(tmp_path, layouts):
    """Two untrained teams of a scenario as files."""

    def make(scenario="2halfcheetah"):
        layout, paths = layouts[scenario], []
        for seed in range(2):
            policies = init_policies(
                jax.random.key(seed), layout.agents, layout.observation_size, layout.action_size, 8
            )
            record = {"scenario": scenario, "settings": {"width": 8}}
            paths.append(str(save_team(tmp_path / f"{scenario}-{seed}.npz", policies, record)))
        return paths

    return make


@pytest.fixture
def small(layouts):
    """A dataset without a simulator behind it."""
    rng, layout = np.random.default_rng(0), layouts["2halfcheetah"]
    state = rng.normal(size=(60, 17)).astype(np.float32)
    ends = (np.arange(60) % 20 == 19).astype(np.float32)
    return module.Dataset(
        "2halfcheetah",
        observe(state, layout.observed),
        rng.uniform(-1, 1, (60, 2, 3)).astype(np.float32),
        rng.normal(size=60).astype(np.float32),
        np.zeros(60, np.float32),
        ends,
        state,
    )


def assert_same(first, second):
    for field in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))


def edit(small, tmp_path, change, metadata=None):
    """Write a Vault whose arrays somebody has changed."""
    experience = to_experience(small)
    experience = change(experience) or experience
    path = tmp_path / "mamujoco" / "2halfcheetah.vlt" / "edited"
    module._write_experience(experience, path, metadata or {})
    return path


# Rolling out


def test_transitions_are_those_of_the_simulator(teams):
    _, sources = load_source(teams()[0])
    rolled = roll_out(sources, "2halfcheetah", dataclasses.replace(SMALL, noise=0.2), (0, 0))
    library = make_library_environment("2halfcheetah")
    library.reset()
    simulator = library.single_agent_env.unwrapped
    again = roll_out(sources, "2halfcheetah", dataclasses.replace(SMALL, noise=0.2), (0, 0))
    assert_same(rolled, again)
    # The second copy's first state, replayed with the stored actions in the library's own environment.
    from pjap.mamujoco.environment import Environment

    start = Environment("2halfcheetah", 2, (0, 0))
    simulator.set_state(start.data[1].qpos.copy(), start.data[1].qvel.copy())
    for t in range(30, 60):
        np.testing.assert_array_equal(rolled.state[t], library.state().astype(np.float32))
        np.testing.assert_array_equal(rolled.observations[t, 1], library._get_obs()["agent_1"].astype(np.float32))
        step = library.step(dict(zip(library.possible_agents, rolled.actions[t], strict=True)))
        np.testing.assert_allclose(rolled.rewards[t], step[1]["agent_0"], rtol=1e-5, atol=1e-5)


def test_noise_has_its_size_and_actions_stay_in_range(teams):
    _, sources = load_source(teams()[0])
    rolled = roll_out(sources, "2halfcheetah", MixtureSettings(transitions=2000, copies=10), (0,))
    noise = rolled.actions - np.asarray(act(sources[0], rolled.observations))
    inside = np.abs(rolled.actions) < 1
    assert noise[inside].std() == pytest.approx(0.2, rel=0.05)
    assert np.abs(rolled.actions).max() <= 1
    exact = roll_out(sources, "2halfcheetah", dataclasses.replace(SMALL, noise=0.0), (0,))
    np.testing.assert_allclose(exact.actions, act(sources[0], exact.observations), atol=1e-6)


def test_every_copy_ends_where_the_next_begins(teams, monkeypatch):
    monkeypatch.setattr("pjap.mamujoco.environment.EPISODE_LENGTH", 20)
    _, sources = load_source(teams()[0])
    rolled = roll_out(sources, "2halfcheetah", SMALL, (0,))  # two copies of 30 transitions
    np.testing.assert_array_equal(np.flatnonzero(rolled.truncations), [19, 29, 49, 59])
    returns = episode_returns(rolled)
    np.testing.assert_allclose(returns[1], rolled.rewards[20:30].sum(), rtol=1e-5)
    np.testing.assert_allclose(returns.sum(), rolled.rewards.sum(), rtol=1e-5)


def test_falling_is_terminal_and_not_truncated(teams):
    _, sources = load_source(teams("3hopper")[0])
    rolled = roll_out(sources, "3hopper", MixtureSettings(transitions=400, copies=2), (0,))
    assert rolled.terminals.sum() > 2
    assert not (rolled.terminals * rolled.truncations).any()
    after = np.flatnonzero(rolled.terminals[:-1]) + 1
    np.testing.assert_allclose(rolled.state[after, 0], 1.25, atol=6e-3)  # upright again


def test_crossed_teams_take_each_agent_from_its_own_team(teams):
    first, second = teams()
    observations = np.random.default_rng(0).normal(size=(5, 2, 12)).astype(np.float32)
    whole = [np.asarray(act(load_source(team)[1][0], observations)) for team in (first, second)]
    crossed = np.asarray(act(load_source(f"{first}+{second}")[1][0], observations))
    np.testing.assert_array_equal(crossed[:, 0], whole[0][:, 0])
    np.testing.assert_array_equal(crossed[:, 1], whole[1][:, 1])


def test_teams_that_take_turns_act_together_and_equally_often(teams):
    first, second = teams()
    _, sources = load_source(f"{first}|{second}")
    rolled = roll_out(sources, "2halfcheetah", MixtureSettings(transitions=2000, copies=10, noise=0.0), (0,))
    acted = np.stack([np.asarray(act(policies, rolled.observations)) for policies in sources])
    by = [np.isclose(rolled.actions, actions, atol=1e-5).all(axis=(1, 2)) for actions in acted]
    assert np.logical_xor(*by).all()  # both agents of one team in each step
    assert 0.45 < by[0].mean() < 0.55
    changes = (by[0][1:] != by[0][:-1]).mean()
    assert 0.45 < changes < 0.55


def test_sources_follow_one_another_and_differ(teams):
    first, second = teams()
    mixed = make_dataset(dataclasses.replace(SMALL, sources=(first, second, first)))
    assert len(mixed.rewards) == 180
    alone = make_dataset(dataclasses.replace(SMALL, sources=(first,)))
    np.testing.assert_array_equal(mixed.state[:60], alone.state)
    assert not np.array_equal(mixed.state[:60], mixed.state[120:])  # the same team again, other reset states


@pytest.mark.parametrize("name", module.MIXTURES)
def test_named_mixtures_are_made_of_shipped_teams(name):
    settings = module.fill_in_sources(name, MixtureSettings())
    assert {load_source(source)[0] for source in settings.sources} == {"2halfcheetah"}


def test_impossible_mixtures_are_refused(teams, small):
    first, second = teams()
    hopper = teams("3hopper")[0]
    with pytest.raises(ValueError, match="multiple of copies"):
        MixtureSettings(transitions=61, copies=2)
    with pytest.raises(ValueError, match="noise"):
        MixtureSettings(noise=-0.1)
    with pytest.raises(ValueError, match="noise must be a finite number"):
        MixtureSettings(noise=float("inf"))
    with pytest.raises(ValueError, match="seed must be at least 0"):
        MixtureSettings(seed=-1)
    with pytest.raises(ValueError, match="names 3 teams"):
        load_source(f"{first}+{second}+{first}")
    with pytest.raises(ValueError, match="different scenarios: 2halfcheetah, 3hopper"):
        load_source(f"{first}+{hopper}")
    with pytest.raises(ValueError, match="different scenarios"):
        make_dataset(dataclasses.replace(SMALL, sources=(first, hopper)))
    with pytest.raises(ValueError, match="different scenarios"):
        join([small, dataclasses.replace(small, scenario="6halfcheetah")])


# Vaults


def test_a_vault_gives_back_what_was_written(small, tmp_path):
    path = write_vault(small, "mine", tmp_path, {"noise": 0.2})
    assert path == tmp_path / "mamujoco" / "2halfcheetah.vlt" / "mine"
    assert_same(read_vault(path), small)
    assert_same(read_vault(path, "2halfcheetah"), small)
    assert json.loads((path / "metadata.json").read_text())["noise"] == 0.2
    assert [child.name for child in path.parent.iterdir()] == ["mine"]
    with pytest.raises(ValueError, match="exists already"):
        write_vault(small, "mine", tmp_path, {})


def test_flashbax_reads_our_vault_with_the_keys_and_shapes_of_og_marl(small, tmp_path):
    from flashbax.vault import Vault

    write_vault(small, "mine", tmp_path, {})
    with contextlib.redirect_stdout(io.StringIO()):
        vault = Vault("mamujoco/2halfcheetah.vlt", rel_dir=str(tmp_path), vault_uid="mine")
    found = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype.name), vault.read().experience)
    assert found == {
        "observations": ((1, 60, 2, 12), "float32"),
        "actions": ((1, 60, 2, 3), "float32"),
        "rewards": ((1, 60, 2), "float32"),
        "terminals": ((1, 60, 2), "float32"),
        "truncations": ((1, 60, 2), "float32"),
        "infos": {"state": ((1, 60, 17), "float32")},
    }


def test_a_vault_as_og_marl_writes_it_is_read(small, tmp_path):
    """Through a buffer, in two pieces, with flags as booleans, and without our metadata."""
    from flashbax.buffers.trajectory_buffer import TrajectoryBufferState
    from flashbax.vault import Vault

    experience = to_experience(small)
    experience |= {name: experience[name].astype(bool) for name in ("terminals", "truncations")}
    buffer = TrajectoryBufferState(experience=experience, current_index=np.array(0), is_full=np.array(True))
    with contextlib.redirect_stdout(io.StringIO()):
        vault = Vault("2halfcheetah.vlt", jax.eval_shape(lambda: experience), str(tmp_path), "Good")
        vault.write(buffer, source_interval=(0, 40))
        vault.write(buffer, source_interval=(40, 60))
    assert_same(read_vault(tmp_path / "2halfcheetah.vlt" / "Good"), small)


@pytest.mark.parametrize(
    "problem",
    [
        OSError(28, "No space left on device"),  # of the metadata; that of the arrays is the storage library's own:
        ValueError('RESOURCE_EXHAUSTED: Error writing "a/0.0": Failed to write 7 bytes: No space left on device [28]'),
    ],
)
def test_a_failed_write_leaves_nothing_and_names_the_vault(small, tmp_path, monkeypatch, problem):
    def fail(experience, path, metadata):
        path.mkdir(parents=True)
        (path / "half").write_text("half")
        raise problem

    monkeypatch.setattr(module, "_write_experience", fail)
    with pytest.raises(OSError, match=r"cannot write .*2halfcheetah.vlt/mine \(No space left on device.*\): make room"):
        write_vault(small, "mine", tmp_path, {})
    assert list((tmp_path / "mamujoco" / "2halfcheetah.vlt").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actions": (60, 2, 2)}, r"actions has shape \(1, 60, 2, 2\), but 2halfcheetah needs \(1, 60, 2, 3\)"),
        ({"observations": (60, 24)}, r"observations has shape \(60, 24\), expected \(T, N, O\)"),
        ({"rewards": (60, 2)}, r"rewards has shape \(60, 2\), expected \(T\)"),
        ({"state": (59, 17)}, "state holds 59 transitions of 60"),
        ({"rewards": (59,)}, r"observations has shape \(1, 60, 2, 12\), but 2halfcheetah needs \(1, 59, 2, 12\)"),
        ({"rewards": np.nan}, "rewards holds NaN or infinity in 1 of 60 transitions, first in number 7"),
        ({"state": np.inf}, "state holds NaN or infinity"),
        ({"terminals": 0.5}, "terminals holds other values than 0 and 1"),
        ({"scenario": "2tortoise"}, "unknown scenario '2tortoise'"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(small, tmp_path, change, message):
    ((name, value),) = change.items()
    if isinstance(value, float):
        value, number = getattr(small, name).astype(float), value
        value[7] = number
    elif isinstance(value, tuple):
        value = np.full(value, 0.25, np.float32)
    with pytest.raises(ValueError, match=message):
        write_vault(dataclasses.replace(small, **{name: value}), "mine", tmp_path / "vaults", {})
    assert not (tmp_path / "vaults").exists()


def test_a_dataset_of_no_transition_is_not_written(small, tmp_path):
    arrays = {field.name: getattr(small, field.name)[:0] for field in dataclasses.fields(small)[1:]}
    with pytest.raises(ValueError, match="Vault 'mine' is empty"):
        write_vault(dataclasses.replace(small, **arrays), "mine", tmp_path / "vaults", {})
    assert not (tmp_path / "vaults").exists()


def drop(name):
    def change(experience):
        (experience if name in experience else experience["infos"]).pop(name)

    return change


def put(name, value, index=(0, 7, 0)):
    def change(experience):
        place = experience if name in experience else experience["infos"]
        place[name] = place[name].copy()
        place[name][index] = value

    return change


def shorten(experience):
    experience["actions"] = experience["actions"][:, :, :, :2]


def blank(experience):
    for name in ("observations", "actions"):
        put(name, 0, (0, slice(30, None)))(experience)
    put("state", 0, (0, slice(30, None)))(experience)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("truncations"), "has no truncations: it has actions"),
        (drop("state"), "has no state"),
        (shorten, r"actions has shape \(1, 60, 2, 2\), but 2halfcheetah needs \(1, 60, 2, 3\)"),
        (put("rewards", np.nan), "rewards holds NaN or infinity in 1 of 60 transitions, first in number 7"),
        (put("observations", np.inf), "observations holds NaN or infinity"),
        (put("terminals", 0.5), "terminals holds other values than 0 and 1"),
        (put("rewards", 3.0), "rewards differ between the agents"),
        (blank, "half-written: 30 of 60 transitions are blank, first number 30"),
    ],
)
def test_bad_arrays_are_named(small, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        read_vault(edit(small, tmp_path, change))


def test_a_truncated_vault_is_named(small, tmp_path):
    path = edit(small, tmp_path, lambda experience: None, {"scenario": "2halfcheetah", "transitions": 100})
    with pytest.raises(ValueError, match="is truncated: observations holds 60 transitions of 100"):
        read_vault(path)


def test_an_empty_vault_is_named(small, tmp_path):
    path = edit(small, tmp_path, lambda experience: jax.tree.map(lambda leaf: leaf[:, :0], experience))
    with pytest.raises(ValueError, match="empty"):
        read_vault(path)


def test_a_vault_that_another_process_has_made_meanwhile_is_kept(small, tmp_path, monkeypatch):
    path = tmp_path / "mamujoco" / "2halfcheetah.vlt" / "mine"
    write = module._write_experience

    def write_slowly(*arguments):
        write(*arguments)
        path.mkdir()
        (path / "theirs").touch()

    monkeypatch.setattr(module, "_write_experience", write_slowly)
    with pytest.raises(ValueError, match="another process has made it"):
        write_vault(small, "mine", tmp_path, {})
    assert [child.name for child in path.parent.iterdir()] == ["mine"]
    assert [child.name for child in path.iterdir()] == ["theirs"]


def test_a_vault_of_another_scenario_is_named(small, tmp_path):
    path = write_vault(small, "mine", tmp_path, {})
    with pytest.raises(ValueError, match="holds 2halfcheetah data, but 6halfcheetah was asked for"):
        read_vault(path, "6halfcheetah")
    with pytest.raises(ValueError, match="6halfcheetah needs"):
        read_vault(edit(small, tmp_path, lambda experience: None), "6halfcheetah")  # says nothing of itself
    elsewhere = tmp_path / "downloads" / "data"
    shutil.copytree(tmp_path / "mamujoco" / "2halfcheetah.vlt" / "edited", elsewhere)
    with pytest.raises(ValueError, match="does not say which scenario"):
        read_vault(elsewhere)
    assert_same(read_vault(elsewhere, "2halfcheetah"), small)


def test_damaged_folders_are_named(small, tmp_path):
    path = write_vault(small, "mine", tmp_path, {})
    with pytest.raises(ValueError, match="no Vault at"):
        read_vault(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="it holds the Vaults mine"):
        read_vault(path.parent)
    pieces = sorted((path / "d").iterdir(), key=lambda piece: piece.stat().st_size)
    whole = pieces[-1].read_bytes()
    pieces[-1].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be read"):
        read_vault(path)
    pieces[-1].unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        read_vault(path)
    (path / "manifest.ocdbt").unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        read_vault(path)
    (path / "metadata.json").write_text("{")
    with pytest.raises(ValueError, match=r"metadata\.json is damaged"):
        read_vault(path)
    (path / "metadata.json").unlink()
    with pytest.raises(ValueError, match="not a Vault, or a half-written one"):
        read_vault(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("version", None, r"metadata\.json is damaged \(it has no version\): make or download"),
        ("structure_shape", None, r"metadata\.json is damaged \(it has no structure_shape\)"),
        ("version", "1", r"metadata\.json is damaged \(its version is '1', expected a number\)"),
        ("version", 7, "flashbax refuses the version in metadata.json"),
        ("scenario", ["2halfcheetah"], r"its scenario is \['2halfcheetah'\], expected a text"),
        ("transitions", "60", "its transitions is '60', expected a whole number"),
        ("structure_dtype", "float32", "its structure_dtype is 'float32', expected an object"),
        ("structure_shape", {"actions": "(1,"}, "cannot be read"),
    ],
)
def test_damaged_metadata_are_said_in_a_line(small, tmp_path, capsys, name, value, message):
    path = write_vault(small, "mine", tmp_path, {})
    metadata = json.loads((path / "metadata.json").read_text())
    metadata.pop(name)
    (path / "metadata.json").write_text(json.dumps(metadata if value is None else {**metadata, name: value}))
    assert cli.main(["dataset", "check", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)


# Description


def test_coverage_sees_joint_structure_that_marginals_hide():
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (6000, 2))
    noise = 0.1 * rng.normal(size=(6000, 2, 3))
    independent = (0.5 * signs[:, :, None] + noise).astype(np.float32)
    coordinated = (0.5 * signs[:, :1, None] + noise).astype(np.float32)  # the same marginals, always the same sign
    assert joint_action_coverage(independent)["coverage"] == pytest.approx(0.95, abs=0.03)
    assert joint_action_coverage(coordinated)["coverage"] == pytest.approx(0.475, abs=0.05)
    with pytest.raises(ValueError, match="are of 1 transitions, expected at least 2"):
        joint_action_coverage(coordinated[:1])


def test_description_is_what_was_put_in(small):
    found = json.loads(json.dumps(describe(small)))
    assert found["shapes"]["observations"] == [60, 2, 12]
    assert (found["episodes"], found["truncations"], found["terminals"]) == (3, 3, 0)
    assert found["returns"]["mean"] == pytest.approx(small.rewards.sum() / 3, abs=0.01)
    np.testing.assert_allclose(found["action_mean"], small.actions.mean(axis=0), atol=1e-4)
    assert found["actions_outside"] == 0


# The command


def test_the_command_makes_and_checks(teams, tmp_path, capsys):
    first, second = teams()
    options = ["--transitions", "60", "--copies", "2", "--out", str(tmp_path / "vaults")]
    assert cli.main(["dataset", "make", "mine", "--sources", first, f"{first}+{second}", *options]) == 0
    path = capsys.readouterr().out.strip()
    assert cli.main(["dataset", "check", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shapes"]["actions"] == [120, 2, 3]
    assert cli.main(["dataset", "check", path]) == 0
    assert "scenario: 2halfcheetah" in capsys.readouterr().out
    metadata = json.loads((tmp_path / path / "metadata.json").read_text())
    assert metadata["sources"] == [first, f"{first}+{second}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dataset", "check", "nowhere"], "there is no Vault"),
        (["dataset", "make", "nothing"], "unknown mixture 'nothing': choose one of"),
        (["dataset", "make", "mine", "--sources", "nobody"], "there is no team 'nobody'"),
        (["behaviour", "train", "--scenario", "cheetah"], "unknown scenario 'cheetah'"),
        (["dataset", "make", "a/b", "--sources", "2halfcheetah-good-0"], "name must be that of one folder"),
        (["behaviour", "train", "--batch-size", "0"], "batch_size must be at least 1"),
        (["behaviour", "train", "--policy-delay", "0"], "policy_delay must be at least 1"),
    ],
)
def test_bad_input_is_one_line_and_a_status(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = cli.main(arguments)
    except SystemExit as refused:  # tyro itself refuses settings that cannot be built
        status = refused.code
    assert status != 0
    error = capsys.readouterr().err
    assert message in " ".join(error.replace("│", " ").split())
    assert "Traceback" not in error


def test_a_folder_that_cannot_be_written_to_is_noticed_before_rolling_out(teams, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(module, "roll_out", lambda *_: pytest.fail("the roll-out has started"))
    assert cli.main(["dataset", "make", "mine", "--sources", teams()[0], "--out", str(tmp_path / "file")]) == 1
    assert "cannot write to folder" in capsys.readouterr().err


def test_ctrl_c_leaves_nothing(teams, tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "roll_out", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make_vault("mine", dataclasses.replace(SMALL, sources=(teams()[0],)), tmp_path / "vaults")
    assert cli.main(["dataset", "make", "mine", "--sources", teams()[0], "--out", str(tmp_path / "vaults")]) == 130
    assert "stopped" in capsys.readouterr().err
    assert list((tmp_path / "vaults" / "mamujoco" / "2halfcheetah.vlt").iterdir()) == []
