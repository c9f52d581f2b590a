"""The directive `build-info`: a table of the commit, its date and the versions that the book was built with.

It is no code cell, because a cell's output is kept for as long as the cell stays the same, and a commit does not.
"""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("pjap", "numpy", "matplotlib", "jax", "optax", "mujoco", "gymnasium-robotics", "flashbax")
TOOLS = ("jupyter-book", "sphinx", "myst-nb")


def git(*arguments: str) -> str:
    """What git prints, or nothing where there is no git or no repository."""
    try:
        result = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return result.stdout.strip()


def facts() -> list[tuple[str, str]]:
    """Names and values, the date being that of the commit, so that one commit gives one page."""
    commit = git("log", "-1", "--format=%H") or "not known: built outside a git repository"
    changed = " and changes that are not committed" if git("status", "--porcelain", "--untracked-files=no") else ""
    date = git("log", "-1", "--format=%cs") or "not known"
    versions = [(name, version(name)) for name in (*PACKAGES, *TOOLS)]
    return [("commit", commit + changed), ("date", date), ("Python", platform.python_version()), *versions]


class BuildInfo(SphinxDirective):
    """The table."""

    def run(self) -> list[nodes.Node]:
        """Make a table of two columns, with a header."""
        group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in range(2)), cols=2)
        group += nodes.thead("", self.row("what", "value"))
        group += nodes.tbody("", *(self.row(name, value) for name, value in facts()))
        return [nodes.table("", group)]

    @staticmethod
    def row(*cells: str) -> nodes.row:
        """One row of text."""
        return nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx; a page with the table is read again at every build."""
    app.add_directive("build-info", BuildInfo)
    app.connect("env-get-outdated", lambda app, env, added, changed, removed: ["book/status"])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
