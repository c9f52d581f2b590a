"""The tool that trains the games of chapter 8 goes on where it stopped, but not with other settings."""

import json

import pytest
from tools import bridge_results


def test_the_committed_runs_are_gone_on_with():
    before = bridge_results.read_before(bridge_results.RESULTS)
    assert len({run["seed"] for run in before["runs"]}) == bridge_results.SEEDS
    assert before["provenance"]["seconds"] > 0


def test_only_missing_runs_are_made():
    runs = json.loads(bridge_results.RESULTS.read_text())["runs"]
    assert bridge_results.missing(runs, bridge_results.SEEDS) == []
    lost = [run for run in runs if run["update"] == "PJAP" and run["seed"] in (3, 7)]
    kept = [run for run in runs if run not in lost]
    names = [tuple(run[name] for name in bridge_results.NAMES) for run in lost]
    assert lost
    assert bridge_results.missing(kept, bridge_results.SEEDS) == names


def test_without_a_file_it_starts_from_nothing(tmp_path):
    assert bridge_results.read_before(tmp_path / "bridge.json") == {"runs": [], "provenance": {}}


@pytest.mark.parametrize(
    ("name", "change"),
    [("transitions", 2000), ("updates", 1), ("settings", {"width": 64}), ("settings", {"unheard_of": 1})],
)
def test_runs_of_other_settings_are_not_mixed_in(tmp_path, name, change):
    content = json.loads(bridge_results.RESULTS.read_text())
    content[name] = content[name] | change if name == "settings" else change
    path = tmp_path / "bridge.json"
    path.write_text(json.dumps(content))
    changed = next(iter(change)) if name == "settings" else name
    with pytest.raises(SystemExit, match=rf"settings, {changed} [^,]* \(now [^,]*\), expected.*--output"):
        bridge_results.read_before(path)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("rules", "PJAP", {"sampling": "pjap", "steepness": 9.0}), ("value_weights", "fitted", 1e3), ("rules", "old", {})],
)
def test_runs_of_other_rules_or_weights_are_not_mixed_in(tmp_path, kind, name, value):
    path = tmp_path / "bridge.json"
    content = {"runs": [], **bridge_results.in_common()}
    path.write_text(json.dumps(content))
    assert bridge_results.read_before(path) == json.loads(path.read_text())
    path.write_text(json.dumps(content | {kind: content[kind] | {name: value}}))
    with pytest.raises(SystemExit, match=rf"settings, {name} .*--output"):
        bridge_results.read_before(path)


def test_a_setting_younger_than_the_runs_had_its_default(tmp_path):
    content = json.loads(bridge_results.RESULTS.read_text())
    content["settings"].pop("floor")
    path = tmp_path / "bridge.json"
    path.write_text(json.dumps(content))
    assert bridge_results.read_before(path) == content
