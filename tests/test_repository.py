"""The repository's own settings: workflows, issue forms, and what a contributor runs."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
TARGETS = set(re.findall(r"(?m)^([a-z-]+):.*## ", (ROOT / "Makefile").read_text()))


def by_name(path):
    return path.stem


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=by_name)
def test_a_workflow_pins_its_actions_and_runs_targets_that_exist(workflow):
    text = workflow.read_text()
    content = yaml.safe_load(text)
    assert content["permissions"] == {"contents": "read"}, "more is given job by job"
    used = re.findall(r"uses: (.*)", text)
    loose = [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", action)]
    assert not loose, "an action is not pinned by commit, with its version as a comment"
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= TARGETS


def test_the_workflows_agree_on_each_action():
    pins = re.findall(r"uses: ([\w/-]+)@(\S+)", "\n".join(workflow.read_text() for workflow in WORKFLOWS))
    assert len(set(pins)) == len({action for action, _ in pins})


@pytest.mark.parametrize("form", FORMS, ids=by_name)
def test_an_issue_form_is_whole(form):
    content = yaml.safe_load(form.read_text())
    assert {"name", "description", "title", "labels", "body"} <= set(content)
    names = [part["id"] for part in content["body"]]
    assert len(set(names)) == len(names)
    assert all(part["type"] in ("input", "textarea") and part["attributes"]["label"] for part in content["body"])


def test_there_are_the_three_forms():
    assert [form.stem for form in FORMS] == ["bug", "clarification", "error-in-the-book"]


def test_the_commit_hook_runs_what_make_lint_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for repository in hooks for hook in repository["hooks"]] == ["make lint"]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md"])
def test_commands_that_the_pages_name_exist(page):
    assert set(re.findall(r"`make ([a-z-]+)`", (ROOT / page).read_text())) <= TARGETS


def test_each_addition_is_five_steps_with_commands():
    sections = re.findall(r"## (Add an? \w+)\n(.*?)(?=\n## )", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    titles = ["Add a chapter", "Add a game", "Add an exercise", "Add an assignment", "Add an experiment"]
    assert [title for title, _ in sections] == titles
    for title, text in sections:
        assert re.findall(r"(?m)^(\d)\.", text) == list("12345"), title
        assert len(re.findall(r"`(?:make|pjap|cp|grep|git|\.venv/bin/\w+) [^`]*`", text)) >= 4, title
