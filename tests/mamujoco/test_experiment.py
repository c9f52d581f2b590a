"""Sweeps: resumable, repeatable, honest about what is missing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from pjap import cli
from pjap.files import write_json
from pjap.mamujoco import dataset, experiment, learner
from pjap.mamujoco.experiment import Run, Sweep

PUBLISHED = Path(__file__).parents[2] / "book" / "results" / "experiment"
SMALL = {"updates": 40, "evaluate_every": 20, "episodes": 1}


@pytest.fixture(scope="module")
def vaults(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vaults")
    settings = dataset.MixtureSettings(sources=("2halfcheetah-good-0",), transitions=2000, copies=2)
    dataset.make_vault("small", settings, folder)
    return folder


def curve(path):
    return json.loads(path.read_text())["curve"]


@pytest.mark.parametrize("where", ["evaluate", "save"])  # the latter after the curve has been written
def test_an_interrupted_run_goes_on_to_the_same_result(vaults, tmp_path, monkeypatch, where):
    run = Run("small", "bc", "pjap", seed=3, **SMALL)
    whole = experiment.perform(run, vaults, tmp_path / "whole")

    usual, calls = getattr(learner, where), []

    def stop_at_the_second(*given):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return usual(*given)

    monkeypatch.setattr(learner, where, stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        experiment.perform(run, vaults, tmp_path / "cut")
    assert not list((tmp_path / "cut").glob("*.json"))
    assert len(list((tmp_path / "cut" / "unfinished").glob("*.npz"))) == 1
    resumed = experiment.perform(run, vaults, tmp_path / "cut")
    assert len(calls) == 3, "the first evaluation was not repeated"
    assert curve(resumed) == curve(whole)
    assert not list((tmp_path / "cut" / "unfinished").iterdir())

    monkeypatch.setattr(learner, "train", None)
    assert experiment.perform(run, vaults, tmp_path / "cut") == resumed  # nothing is done twice


def start_command(vaults, results):
    arguments = ["experiment", "run", "--vaults", str(vaults), "--results", str(results), "--datasets", "small"]
    arguments += ["--variants", "pjap", "--seeds", "0", "--updates", "500", "--evaluate-every", "20", "--episodes", "1"]
    program = """import signal, sys
from pjap.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
status = main(sys.argv[1:])
signal.signal(signal.SIGINT, signal.SIG_IGN)  # not again while Python winds up
sys.exit(status)"""
    # The second process takes the first one's compiled program.
    cache = {"JAX_COMPILATION_CACHE_DIR": str(vaults / "compiled"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **cache})


def stop_command(process, stop):
    """Send a signal until it is heeded: Python drops an interrupt that falls into a destructor."""
    while True:
        process.send_signal(stop)
        try:
            return process.communicate(timeout=4)[1]
        except subprocess.TimeoutExpired:
            continue


def test_a_stopped_and_a_killed_command_go_on_to_the_same_result(vaults, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert start_command(vaults, whole).wait() == 0
    (expected,) = whole.glob("*.json")
    for stop, status in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        process = start_command(vaults, cut)
        before = {path.stat().st_mtime_ns for path in (cut / "unfinished").glob("[!.]*.npz")}
        while {path.stat().st_mtime_ns for path in (cut / "unfinished").glob("[!.]*.npz")} <= before:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        errors = stop_command(process, stop)  # a new checkpoint has just been written
        assert process.returncode == status
        assert "Traceback" not in errors
        assert not list(cut.glob("*.json"))
    again = start_command(vaults, cut)
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert curve(cut / expected.name) == curve(expected)
    assert not list((cut / "unfinished").glob("[!.]*"))


def test_a_sweep_records_what_it_did_and_the_report_compares(vaults, tmp_path, capsys):
    sweep = Sweep(datasets=("small",), variants=("uniform", "pjap,steepness=10"), seeds=(0, 1), **SMALL)
    paths = experiment.run_sweep(sweep, vaults, tmp_path, command="pjap experiment run")
    assert "4 runs: 0 done, 4 to do" in capsys.readouterr().out
    experiment.run_sweep(sweep, vaults, tmp_path)
    assert "4 runs: 4 done, 0 to do" in capsys.readouterr().out

    results = experiment.read_results(tmp_path)
    assert {path.name for path in paths} == {path.name for path in tmp_path.glob("*.json")}
    for result in results:
        assert result["provenance"]["command"] == "pjap experiment run"
        assert result["provenance"]["versions"]["jax"]
        assert [point["updates"] for point in result["curve"]] == [20, 40]
    assert {result["settings"]["steepness"] for result in results if result["settings"]["sampling"] == "pjap"} == {10}

    rows = {row["method"]: row for row in experiment.report(results)}
    scores = {
        (r["run"]["variant"], r["run"]["seed"]): r["curve"][-1]["return"] / r["data"]["returns"]["mean"]
        for r in results
    }
    expected = np.mean([scores["pjap,steepness=10", s] - scores["uniform", s] for s in (0, 1)])
    assert rows["pjap,steepness=10"]["difference"].point == pytest.approx(expected)
    assert rows["uniform"]["difference"] is None
    table = experiment.format_report(list(rows.values()))
    assert "pjap,steepness=10" in table
    assert "median" not in table  # over one task, it is the mean

    assert cli.main(["experiment", "report", "--results", str(tmp_path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def result(variant, seed, score):
    run = {"dataset": "good", "learner": "cql", "variant": variant, "seed": seed, "updates": 40}
    curve = [{"updates": 40, "return": 100 * score, "distance": 0.1}]
    return {"run": run, "curve": curve, "data": {"returns": {"mean": 100.0}}}


def test_methods_are_compared_under_the_same_common_settings():
    results = [result("uniform", seed, 9.0) for seed in (0, 1)]
    results += [result("uniform,cql_samples=4", seed, 1.0 + seed) for seed in (0, 1)]
    results += [result("pjap,cql_samples=4,steepness=2", seed, 1.5 + seed) for seed in (0, 1)]
    results += [result("uniform,partners=current,cql_samples=4", seed, 0.75 + seed) for seed in (0, 1)]
    rows = {(row["common"], row["method"]): row for row in experiment.report(results)}
    assert rows["cql_samples=4", "pjap,steepness=2"]["difference"].point == 0.5
    assert rows["cql_samples=4", "uniform,partners=current"]["difference"].point == -0.25
    assert rows["", "uniform"]["difference"] is rows["cql_samples=4", "uniform"]["difference"] is None
    grouped = experiment.group(results)
    assert grouped["good", "cql", "cql_samples=4", 40]["uniform"][1] is results[3]


def test_settings_in_another_order_are_the_same_settings():
    results = [result("uniform,width=64,cql_samples=4", seed, 1.0) for seed in (0, 1)]
    results += [result("pjap,cql_samples=4,width=64", seed, 1.5) for seed in (0, 1)]
    assert {row["method"]: row["difference"] for row in experiment.report(results)}["pjap"].point == 0.5


def test_more_return_is_a_higher_score_whatever_the_data_earned():
    results = [result(variant, seed, score) for variant, score in (("uniform", -4), ("pjap", 1)) for seed in (0, 1)]
    for each in results:
        each["data"]["returns"]["mean"] = -300.0
    assert {row["method"]: row["difference"] for row in experiment.report(results)}["pjap"].point > 0
    for each in results:
        each["data"]["returns"]["mean"] = 0.0
    with pytest.raises(ValueError, match="mean return of the data is 0"):
        experiment.report(results)


def test_two_scenarios_do_not_share_a_place():
    results = [result("uniform", seed, score) for score in (0.5, 0.05) for seed in (0, 1)]
    for each, scenario in zip(results, ("2halfcheetah", "2halfcheetah", "6halfcheetah", "6halfcheetah"), strict=True):
        each["run"]["scenario"] = scenario
    assert {row["dataset"]: row["mean"].point for row in experiment.report(results)} == {
        "2halfcheetah/good": 0.5,
        "6halfcheetah/good": 0.05,
    }


def test_results_that_do_not_name_their_scenario_are_of_the_first_there_was():
    results = [result("uniform", seed, 0.5) for seed in (0, 1)]
    results[0]["run"].pop("scenario", None)
    results[1]["run"]["scenario"] = "2halfcheetah"
    assert [row["dataset"] for row in experiment.report(results)] == ["good"]


def test_labels_say_what_tells_a_place_from_its_like():
    short, long = ("good", "cql", "cql_samples=4", 40_000), ("good", "cql", "cql_samples=4", 100_000)
    other, alone = ("good", "cql", "cql_samples=4,reward_scale=0.1", 40_000), ("good", "bc", "cql_samples=4", 40_000)
    assert experiment.own_settings(short, [short]) == []
    assert experiment.own_settings(short, [short, long, alone]) == []
    assert experiment.own_settings(other, [short, long, other, alone]) == ["reward_scale=0.1"]
    assert experiment.own_settings(short, [short, other]) == []
    assert experiment.own_settings(alone, [short, other, alone]) == []


def test_a_dask_cluster_that_loses_a_worker_loses_no_result(vaults, tmp_path):
    distributed = pytest.importorskip("distributed")
    sweep = Sweep(datasets=("small",), variants=("uniform",), seeds=(0, 1, 2, 3), **SMALL)
    lost, over = threading.Event(), threading.Event()

    def lose_one(cluster):
        """As soon as a run has got somewhere, so that both workers are at work."""
        while not over.wait(0.05):
            if list((tmp_path / "unfinished").glob("*.json")):
                os.kill(cluster.workers[0].pid, signal.SIGKILL)
                lost.set()
                return

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        watcher = threading.Thread(target=lose_one, args=[cluster], daemon=True)
        watcher.start()
        try:
            paths = experiment.run_sweep(sweep, vaults, tmp_path, scheduler=cluster.scheduler_address)
        finally:
            over.set()
            watcher.join(10)
    assert lost.is_set()
    assert len(paths) == 4
    assert all(len(curve(path)) == 2 for path in paths)


def test_variants():
    assert experiment.parse_variant("uniform") == {"sampling": "uniform"}
    settings = Run("x", "cql", "pjap,refresh=random,target_ess=0.1", 0).settings
    assert (settings.target_ess, settings.refresh, settings.learner) == (0.1, "random", "cql")


def test_the_published_runs_have_names_that_are_accepted_and_are_comparable():
    results = experiment.read_results(PUBLISHED)
    assert experiment.group(results)
    for result in results:
        run = {**result["run"], "seed": 2**32 - 1}
        assert Run(**run).variant == run["variant"]


def test_a_quick_sweep_is_small():
    runs = Sweep(learners=("bc", "cql"), quick=True).runs()
    assert {run.seed for run in runs} == {0, 1}
    assert {run.learner for run in runs} == {"bc"}
    assert sum(run.updates for run in runs) <= 10_000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Run("good", "ddpg", "uniform", 0), "unknown learner 'ddpg': choose one of bc, cql"),
        (lambda: Run("good", "bc", "nearest", 0), "unknown sampling 'nearest'"),
        (lambda: Run("good", "bc", "pjap,steepness=-1", 0), "steepness must be a finite number of at least 0, got -1"),
        (lambda: Run("good", "bc", "pjap,steep=1", 0), "unknown setting 'steep'"),
        (lambda: Run("good", "bc", "pjap,steepness=steep", 0), "steepness must be a number, got 'steep'"),
        (lambda: Run("good", "bc", "pjap,steepness", 0), "expected SETTING=VALUE"),
        (lambda: Run("good", "bc", "pjap,floor=0.1,floor=0.2", 0), "says floor twice"),
        (lambda: Run("good", "bc", "pjap,sampling=uniform", 0), "says sampling twice"),
        (lambda: Run("vaults/good", "bc", "uniform", 0), "not a path, got 'vaults/good'"),
        (lambda: Run("good", "bc", "uniform", 0, updates=15, evaluate_every=10), "multiple of evaluate_every"),
        (lambda: Run("good", "bc", "uniform", 0, episodes=0), "episodes must be at least 1"),
        (lambda: Run("good", "bc", "pjap,refresh_every=6", 0), "must be a multiple of refresh_every"),
        (lambda: Run("good", "bc", "pjap,learner=cql", 0), "names a learner"),
        (lambda: Run("good", "bc", "pjap,steepness=4", 0), "of bc is a second name of 'pjap': use it"),
        (lambda: Run("good", "bc", "pjap,steepness=10.0", 0), "second name of 'pjap,steepness=10'"),
        (lambda: Run("good", "bc", "pjap,width=64,floor=.1", 0), "second name of 'pjap,floor=0.1,width=64'"),
        (lambda: Run("good", "recurrent-cql", "uniform,batch_size=64", 0), "second name of 'uniform'"),
        (lambda: Run("good", "bc", "uniform,steepness=10", 0), "sets steepness, which has no effect on uniform"),
        (lambda: Run("good", "bc", "uniform", -1), r"seed must be in \[0, 2\*\*32\), got -1"),
        (lambda: Run("good", "bc", "uniform", 2**32), "seed must be in .*, got 4294967296"),
        (lambda: Run("..", "bc", "uniform", 0), "not a path"),
        (lambda: experiment.read_results(Path("nowhere")), "holds no results"),
        (lambda: Run("good", "bc", "uniform", 0, scenario="2tortoise"), "unknown scenario '2tortoise'"),
        (lambda: experiment.run_sweep(Sweep(), workers=0), "workers must be at least 1"),
        (lambda: experiment.run_sweep(Sweep(seeds=())), "nothing to do: a sweep needs"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_command_says_what_is_wrong_and_leaves_nothing_behind(vaults, tmp_path, capsys):
    arguments = ["experiment", "run", "--vaults", str(vaults), "--results", str(tmp_path), "--datasets"]
    assert cli.main([*arguments, "nothing-of-this-name"]) == 1
    assert "nothing-of-this-name" in capsys.readouterr().err
    assert cli.main([*arguments, "small", "--variants", "pjap,steepness=-1"]) == 1
    assert "steepness" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.json"))


def damage(place, value=None):
    """A result with another value in a place, or with none."""
    damaged = result("uniform", 0, 1.0)
    *above, name = place
    inside = damaged
    for step in above:
        inside = inside[step]
    inside.pop(name)
    if value is not None:
        inside[name] = value
    return json.dumps(damaged)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Expecting value"),
        (damage(["curve"])[:40], "line 1"),
        ("[]", "it has no run.dataset"),
        (damage(["run", "variant"]), "it has no run.variant"),
        (damage(["run", "variant"], 5), "its run.variant is 5, expected a text"),
        (damage(["run", "seed"], "7"), "its run.seed is '7', expected a whole number"),
        (damage(["run", "updates"]), "it has no run.updates"),
        (damage(["data", "returns"]), "it has no data.returns.mean"),
        (damage(["data", "returns", "mean"], "12"), "its data.returns.mean is '12', expected a number"),
        (damage(["curve"], []), "its curve is empty"),
        (damage(["curve"], {}), "its curve is {}, expected a list"),
        (damage(["curve", 0, "return"]), "it has no return"),
        (damage(["curve", 0, "distance"]), "it has no distance"),
        (damage(["curve", 0, "distance"], "near"), "its distance is 'near', expected a number"),
    ],
)
def test_a_damaged_result_is_said_in_a_line(tmp_path, capsys, content, reason):
    (tmp_path / "broken.json").write_text(content)
    assert cli.main(["experiment", "report", "--results", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / 'broken.json'} is not a whole result" in line
    assert reason in line
    assert "delete it and run the sweep again" in line


def test_a_run_is_not_continued_with_other_settings(vaults, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment.learner, "save", stop)
    run = Run("small", "bc", "uniform,batch_size=8,width=8", 0, **SMALL)
    with pytest.raises(KeyboardInterrupt):
        experiment.perform(run, vaults, tmp_path)
    (tmp_path / "unfinished" / f"{run.name}.npz").touch()
    monkeypatch.setattr(experiment.learner, "load", lambda *_: None)
    with pytest.raises(ValueError, match=r"is of a run with evaluate_every 20 \(now 40\)"):
        experiment.perform(replace(run, evaluate_every=40), vaults, tmp_path)


def leave(run, folder, data, finished):
    """The files of a run that is finished, or was interrupted after its first evaluation."""
    curve = [{"updates": 20, "return": 1.0, "distance": 0.1}]
    content = {"run": asdict(run), "data": data, "curve": curve, "seconds": 1.0}
    (folder / "unfinished").mkdir(parents=True, exist_ok=True)
    if not finished:
        (folder / "unfinished" / f"{run.name}.npz").touch()
    write_json(folder / ("." if finished else "unfinished") / f"{run.name}.json", content)


def test_results_and_checkpoints_of_a_vault_that_was_remade_are_refused(vaults, tmp_path, monkeypatch):
    monkeypatch.setattr(learner, "train", lambda *_: pytest.fail("it has begun to train"))
    sweep = Sweep(datasets=("small",), variants=("uniform",), seeds=(0, 1), **SMALL)
    done, begun = sweep.runs()
    now = experiment.read_or_make("2halfcheetah", "small", vaults)
    now = {"transitions": 2000, "returns": {"mean": round(float(dataset.episode_returns(now).mean()), 2)}}
    other = {"transitions": 2000, "returns": {"mean": 1.05 * now["returns"]["mean"]}}
    for of_done, of_begun, file in ((other, now, "seed0.json"), (now, other, "seed1.npz")):
        leave(done, tmp_path, of_done, finished=True)
        leave(begun, tmp_path, of_begun, finished=False)
        with pytest.raises(ValueError, match=f"{file} is of other data"):
            experiment.run_sweep(sweep, vaults, tmp_path)
    with pytest.raises(ValueError, match=r"seed1\.npz is of other data"):
        experiment.perform(begun, vaults, tmp_path)
    leave(done, tmp_path, other, finished=True)  # with nothing to do, the data are not looked at
    assert len(experiment.run_sweep(replace(sweep, seeds=(0,)), vaults, tmp_path)) == 1


def test_results_of_different_data_are_not_compared():
    results = [result("uniform", seed, 1.0) for seed in (0, 1)]
    results[1]["data"] = {"transitions": 5, "returns": {"mean": 100.0}}
    with pytest.raises(ValueError, match=r"5 transitions with a mean return of 100\.0 with seed 1 of cql uniform"):
        experiment.group(results)
    results[1]["data"] = {"returns": {"mean": 100.5}}  # another processor
    assert experiment.group(results)


def test_a_sweep_refuses_a_checkpoint_of_other_settings_before_any_training(vaults, tmp_path, monkeypatch):
    sweep = Sweep(datasets=("small",), variants=("uniform",), seeds=(0, 1), **SMALL)
    leave(sweep.runs()[1], tmp_path, {"returns": {"mean": 1.0}}, finished=False)
    monkeypatch.setattr(experiment, "perform", lambda *_: pytest.fail("it has begun to train"))
    with pytest.raises(ValueError, match=r"seed1.npz is of a run with episodes 1 \(now 2\)"):
        experiment.run_sweep(replace(sweep, episodes=2), vaults, tmp_path)
    record = tmp_path / "unfinished" / f"{sweep.runs()[1].name}.json"
    for damaged, reason in (
        ("", "Expecting value"),
        ("{}", "it has no seconds"),
        ("[]", "it has no seconds"),
        ('{"seconds": "1", "curve": []}', "its seconds is '1', expected a number"),
        ('{"seconds": 1, "curve": [1]}', "it has no updates"),
        ('{"seconds": 1, "curve": [], "run": []}', r"its run is \[\], expected an object"),
        ('{"seconds": 1, "curve": [], "data": {}}', "it has no data.returns.mean"),
    ):
        record.write_text(damaged)
        with pytest.raises(ValueError, match=rf"seed1.json is not a whole record \({reason}.*\): delete it"):
            experiment.run_sweep(sweep, vaults, tmp_path)


def test_a_run_that_diverges_stops_no_other_and_is_named(vaults, tmp_path, monkeypatch, capsys):
    done = []

    def perform(run, *_):
        if run.seed == 0:
            raise FloatingPointError("training has diverged by update 20")
        done.append(run.seed)

    monkeypatch.setattr(experiment, "perform", perform)
    arguments = ["experiment", "run", "--vaults", str(vaults), "--results", str(tmp_path), "--datasets", "small"]
    assert cli.main([*arguments, "--variants", "uniform", "--seeds", "0", "1"]) == 1
    assert done == [1]
    said = capsys.readouterr().err
    assert "bc-uniform" in said
    assert "has diverged" in said


def test_a_run_that_another_process_does_is_left_to_it_until_it_dies(vaults, tmp_path, monkeypatch, capsys):
    first, second = Sweep(datasets=("small",), variants=("uniform",), seeds=(0, 1), **SMALL).runs()
    (tmp_path / "unfinished").mkdir()
    lock = tmp_path / "unfinished" / f"{first.name}.lock"
    program = "import fcntl, sys, time\nfile = open(sys.argv[1], 'w')\nfcntl.flock(file, fcntl.LOCK_EX)\n"
    program += "print('held', flush=True)\ntime.sleep(1000)"
    done = []
    monkeypatch.setattr(experiment, "_train", lambda run, *_: done.append(run.seed))
    with subprocess.Popen([sys.executable, "-c", program, str(lock)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        arguments = ["experiment", "run", "--vaults", str(vaults), "--results", str(tmp_path), "--datasets", "small"]
        arguments += ["--variants", "uniform", "--seeds", "0", "1", "--updates", "40", "--evaluate-every", "20"]
        assert cli.main(arguments) == 1
        said = capsys.readouterr().err
        assert f"1 runs have no result, all others have. {first.name}: another process does this run" in said
        assert done == [second.seed]
        other.kill()
    experiment.perform(first, vaults, tmp_path)
    assert done == [second.seed, first.seed]
    assert not list((tmp_path / "unfinished").iterdir())


def test_a_run_that_another_process_has_just_done_is_not_done_again(vaults, tmp_path, monkeypatch):
    run = Run("small", "bc", "uniform", 0, **SMALL)
    unlocked = experiment._alone

    @contextmanager
    def done_before_the_lock_is_had(lock):
        leave(run, tmp_path, {"returns": {"mean": 1.0}}, finished=True)
        with unlocked(lock):
            yield

    monkeypatch.setattr(experiment, "_alone", done_before_the_lock_is_had)
    monkeypatch.setattr(experiment, "_train", lambda *_: pytest.fail("it has begun to train"))
    assert experiment.perform(run, vaults, tmp_path) == tmp_path / f"{run.name}.json"


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (MemoryError("Unable to allocate 4 TiB"), "out of memory"),
        (TerminatedWorkerError("A worker was killed"), "a process was killed"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating"), "out of memory"),
    ],
)
def test_a_lack_of_memory_is_said_in_a_line(monkeypatch, capsys, problem, message):
    def fail(*_):
        raise problem

    monkeypatch.setattr(experiment, "run_sweep", fail)
    assert cli.main(["experiment", "run"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert "the same command goes on" in line


def test_data_without_a_return_or_shorter_than_a_window_stop_a_sweep_before_any_training(vaults, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "perform", None)
    whole = experiment.read_or_make("2halfcheetah", "small", vaults)
    worthless = replace(whole, rewards=np.zeros_like(whole.rewards))
    monkeypatch.setattr(experiment, "read_vault", lambda *_: worthless)
    sweep = Sweep(datasets=("small",), **SMALL)
    with pytest.raises(ValueError, match=r"the mean return of .*small is 0"):
        experiment.run_sweep(sweep, vaults, tmp_path)
    monkeypatch.setattr(experiment, "read_or_make", lambda *_: replace(whole, rewards=whole.rewards[:5]))
    monkeypatch.setattr(experiment, "_describe", lambda _: {})
    with pytest.raises(ValueError, match="small has 5 steps, fewer than the 20 of one window of recurrent-cql"):
        experiment.run_sweep(replace(sweep, learners=("recurrent-cql",)), vaults, tmp_path)


def test_data_that_are_missing_or_damaged_stop_a_sweep_before_any_training(vaults, tmp_path, monkeypatch):
    def train(*_):
        pytest.fail("it has begun to train")

    monkeypatch.setattr(experiment, "perform", train)
    shutil.copytree(vaults, tmp_path / "vaults")
    (tmp_path / "vaults" / "mamujoco" / "2halfcheetah.vlt" / "damaged").mkdir()
    for sweep, message in (
        (Sweep(datasets=("small", "god"), **SMALL), "make it with .*, or choose one of one-team, good"),
        (Sweep(datasets=("good",), scenario="3hopper", **SMALL), "3hopper.vlt/good: make it with"),
        (Sweep(datasets=("small", "damaged"), **SMALL), "metadata.json"),
    ):
        with pytest.raises(ValueError, match=message):
            experiment.run_sweep(sweep, tmp_path / "vaults", tmp_path / "results")


def test_a_sweep_that_is_done_needs_no_data_and_a_run_named_twice_is_one(vaults, tmp_path):
    sweep = Sweep(datasets=("small",), variants=("uniform", "uniform"), seeds=(0, 0), **SMALL)
    (path,) = experiment.run_sweep(sweep, vaults, tmp_path / "results")
    assert experiment.run_sweep(sweep, tmp_path / "no-vaults", tmp_path / "results") == [path]


def test_a_result_of_other_settings_is_not_taken_for_this_one(vaults, tmp_path):
    sweep = Sweep(datasets=("small",), variants=("uniform",), seeds=(0,), **SMALL)
    (path,) = experiment.run_sweep(sweep, vaults, tmp_path)
    for changed, message in (
        (replace(sweep, evaluate_every=40), r"is of a run with evaluate_every 20 \(now 40\)"),
        (replace(sweep, episodes=sweep.episodes + 1), r"is of a run with episodes .* \(now .*\)"),
    ):
        with pytest.raises(ValueError, match=message):
            experiment.run_sweep(changed, vaults, tmp_path)
    path.write_text("{}")
    with pytest.raises(ValueError, match="is not a whole result"):
        experiment.run_sweep(sweep, vaults, tmp_path)


def test_a_folder_that_cannot_be_written_to_is_refused(vaults, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(experiment, "perform", lambda *_: pytest.fail("it has begun to train"))
    with pytest.raises(OSError, match="cannot write to folder"):
        experiment.run_sweep(Sweep(datasets=("small",)), vaults, tmp_path / "file" / "results")
