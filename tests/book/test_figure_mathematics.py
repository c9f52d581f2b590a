"""The figures' mathematics is the package's: JavaScript in a browser against fixtures that the package wrote."""

import base64
import json

import numpy as np
import pytest
from tools import figure_fixtures as tool

MODULE = tool.ROOT / "book" / "_static" / "figures" / "mathematics.js"
FIXTURES = json.loads(tool.FIXTURES.read_text(encoding="utf-8"))

RUN = """
async ([source, fixtures]) => {
  const M = await import("data:text/javascript;base64," + source);
  const updates = fixtures.updates.map(({ coefficients, data, policy, settings, weights, expected }) => {
    const game = { coefficients };
    return {
      reward: M.reward(game, policy),
      trueGradient: M.trueGradient(game, policy),
      brudGradient: M.brudGradient(game, policy, data),
      replayedGradient: M.replayedGradient(game, policy, data, weights),
      jointActionDistance: [...M.jointActionDistance(data, policy)],
      proximalPriorities: [...M.proximalPriorities(expected.jointActionDistance, settings)],
      samplingProbabilities: [...M.samplingProbabilities(expected.proximalPriorities, settings)],
      proximalProbabilities: [...M.proximalProbabilities(policy, data, settings)],
      pjapGradient: M.pjapGradient(game, policy, data, settings),
      pjapJacobian: M.pjapJacobian(game, policy, data, settings),
      leadingEigenvalue: M.leadingEigenvalue(game, policy, data, settings),
    };
  });
  const learning = fixtures.learning.map(({ coefficients, data, policy, settings, options }) => {
    const all = { ...options, ...settings };
    const { policies, rewards, distances, sizes } = M.learn({ coefficients }, data, policy, all);
    const end = options.players === "both" ? M.destination({ coefficients }, data, policy, all) : policies.at(-1);
    return { policies, rewards, distances, sizes, end };
  });
  const escapes = fixtures.escapes.map(({ coefficients, side }) => {
    return M.criticalSteepness({ coefficients }, [0, 0], M.evenGrid(side));
  });
  return { updates, learning, escapes };
}
"""


@pytest.fixture(scope="module")
def computed(browser):
    """What the JavaScript answers to the fixtures' questions."""
    page = browser.new_page()
    answers = page.evaluate(RUN, [base64.b64encode(MODULE.read_bytes()).decode(), FIXTURES])
    page.close()
    return answers


def assert_close(actual, expected, relative=1e-9):
    """Equal within a relative error; the absolute one is for sums that cancel to nothing."""
    np.testing.assert_allclose(np.array(actual, dtype=float), np.array(expected), rtol=relative, atol=1e-12)


@pytest.mark.parametrize("name", FIXTURES["updates"][0]["expected"])
def test_one_update(computed, name):
    for case, answers in zip(FIXTURES["updates"], computed["updates"], strict=True):
        assert_close(answers[name], case["expected"][name])


@pytest.mark.parametrize("name", ["policies", "rewards", "distances", "sizes"])
def test_learning(computed, name):
    for case, answers in zip(FIXTURES["learning"], computed["learning"], strict=True):
        assert_close(answers[name], case["expected"][name])


def test_a_destination_is_where_learning_ends(computed):
    for case, answers in zip(FIXTURES["learning"], computed["learning"], strict=True):
        np.testing.assert_allclose(answers["end"], case["expected"]["policies"][-1], atol=1e-5)


def test_critical_steepness(computed):
    assert_close(computed["escapes"], [case["criticalSteepness"] for case in FIXTURES["escapes"]])


def test_the_comparison_can_fail():
    with pytest.raises(AssertionError):
        assert_close([1.0, 2.0], [1.0, 2.0 * (1 + 1e-8)])


def numbers(tree):
    """The numbers and words of nested lists and dictionaries, in order."""
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in (key, *numbers(tree[key]))]
    if isinstance(tree, list):
        return [leaf for item in tree for leaf in (len(tree), *numbers(item))]
    return [tree]


def test_the_fixtures_are_what_the_package_computes_today():
    """To the last digits but four, which may differ from machine to machine."""
    kept, today = numbers(FIXTURES), numbers(json.loads(json.dumps(tool.fixtures())))
    assert len(kept) == len(today), "stale fixtures: run `.venv/bin/python tools/figure_fixtures.py`"
    for old, new in zip(kept, today, strict=True):
        same = old == new if isinstance(old, str) else old == pytest.approx(new, rel=1e-12, abs=1e-13)
        assert same, f"stale fixtures ({old} is {new} today): run `.venv/bin/python tools/figure_fixtures.py`"


def test_the_presets_are_what_the_package_makes_today():
    assert tool.PRESETS.read_text(encoding="utf-8") == tool.presets(), (
        "stale: run `.venv/bin/python tools/figure_fixtures.py`"
    )
