"""The repository's own settings: workflows, issue forms, and what a contributor runs."""

import os
import re
import subprocess
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


def test_the_weekly_workflow_builds_what_make_book_builds():
    """It does not call make, whose environment is the lock."""
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "weekly.yml").read_text())["jobs"]["newest"]["steps"]
    commands = "\n".join(step.get("run", "") for step in steps)
    recipes = (ROOT / "Makefile").read_text().split("\n# Not a part of `make book`")[0]
    makers = set(re.findall(r"-m (tools\.\w+)", recipes)) - {"tools.execute"}  # Sphinx executes, only slower
    assert makers == {"tools.browser_site", "tools.slides"}
    for maker in makers:
        assert commands.index("jupyter-book build") < commands.index(maker) < commands.index("pytest")


def test_versions_are_compared_whatever_the_spelling_of_names(tmp_path):
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "weekly.yml").read_text())["jobs"]["newest"]["steps"]
    (summary,) = (step["run"] for step in steps if step.get("name") == "Say what broke")
    summary = summary.replace("${{ matrix.python }}", "3.11")  # as the runner does
    lock = [
        "jaraco-classes==1.0 \\",
        "    --hash=sha256:00",
        "markdown-it-py==3.0 ; python_version > '3' \\",
        "pyyaml==6.0",
    ]
    (tmp_path / "requirements.txt").write_text("\n".join([*lock, ""]))
    (tmp_path / "versions.txt").write_text("jaraco.classes==1.0\nmarkdown_it_py==3.0\nPyYAML==6.1\nnew==2\n")
    (tmp_path / "build.txt").touch()
    (tmp_path / "test.txt").touch()
    environment = {**os.environ, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    subprocess.run(["bash", "-e", "-c", summary], cwd=tmp_path, env=environment, check=True)
    assert re.findall(r"(?m)^\S+==.*", (tmp_path / "summary.md").read_text()) == ["new==2", "pyyaml==6.1"]


def test_a_failed_build_fails_again(tmp_path):
    """Sphinx writes pages in spite of warnings, and does not repeat those of what it has read: both must go."""
    (recipe,) = re.findall(r"(?m)^\t\$\(BIN\)/(jupyter-book build \. -W .*)", (ROOT / "Makefile").read_text())
    program = tmp_path / "jupyter-book"
    program.write_text(
        "#!/bin/sh\nmkdir -p _build/.doctrees _build/.jupyter_cache _build/html\ntouch _build/html/index.html\nexit 1\n"
    )
    program.chmod(0o755)
    (tmp_path / "Makefile").write_text(f"_build/html/index.html:\n\t./{recipe}\n")
    for _ in range(2):
        assert subprocess.run(["make", "--silent"], cwd=tmp_path, capture_output=True).returncode == 2
    assert (tmp_path / "_build" / ".jupyter_cache").exists(), "what has run need not run again"
    assert not (tmp_path / "_build" / ".doctrees").exists()


def test_pages_are_written_anew_when_what_writes_them_has_changed():
    """Sphinx does not know the extensions' code."""
    command = ["make", "--dry-run", "--print-data-base", "help"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    shown = re.findall(r"(?m)^WRITERS := (.*)", printed)[0].split()
    ours = [path for path in (ROOT / "book" / "_ext").rglob("*") if path.suffix in (".py", ".js")]
    assert {str(path.relative_to(ROOT)) for path in ours} <= set(shown)
    assert "tools/launch_buttons.py" in shown


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


def test_contributing_calls_what_is_in_the_environment():
    """A fresh clone has `python` and `pjap` in .venv alone."""
    commands = re.findall(r"(?<!`)`((?:python3?|pjap|pytest|ruff|mypy) [^`]*)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert commands == []


def test_each_addition_is_five_steps_with_commands():
    sections = re.findall(r"## (Add an? \w+)\n(.*?)(?=\n## )", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    titles = ["Add a chapter", "Add a game", "Add an exercise", "Add an assignment", "Add an experiment"]
    assert [title for title, _ in sections] == titles
    for title, text in sections:
        assert re.findall(r"(?m)^(\d)\.", text) == list("12345"), title
        assert len(re.findall(r"`(?:make|pjap|cp|grep|git|\.venv/bin/\w+) [^`]*`", text)) >= 4, title
