"""How long the book takes to build: from nothing, with nothing changed, and with one chapter changed.

    python benchmarks/book.py

It builds a copy of the working tree in a temporary folder, with this environment, so that nothing here is disturbed.
Chapters that ran are counted in the cache of executed chapters.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_cache import get_cache

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "book/03-best-response-under-data.md"
CELL = "```{code-cell}"


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of the files that the repository knows, as they are now, with a link to the environment."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    with tempfile.TemporaryDirectory() as folder:
        for name in filter(None, listed):
            if (ROOT / name).is_file():
                (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, Path(folder) / name)
        (Path(folder) / ".venv").symlink_to(ROOT / ".venv")
        yield Path(folder)


def executed(tree: Path) -> dict[str, Any]:
    """For each chapter, when it was last executed."""
    times: dict[str, Any] = {}
    for record in get_cache(tree / "_build" / ".jupyter_cache").list_cache_records():
        name = Path(record.uri).name
        times[name] = max(record.created, times.get(name, record.created))
    return times


def build(tree: Path) -> float:
    """Build the book; gives the seconds that it took.

    Raises:
        SystemExit: if it fails, with the last lines of what it printed.
    """
    started = time.perf_counter()
    # The environment is ready, and its package is this tree's, not the copy's.
    done = subprocess.run(
        ["make", "--old-file", ".venv/.ready", "book"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree / "code")},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit("\n".join(["the build failed:", *(done.stdout + done.stderr).splitlines()[-30:]]))
    return time.perf_counter() - started


def change(page: Path) -> None:
    """Add a comment to the end of a chapter's first code cell."""
    text = page.read_text(encoding="utf-8")
    end = text.index("\n```\n", text.index(CELL))
    page.write_text(f"{text[:end]}\n# changed{text[end:]}", encoding="utf-8")


def main() -> None:
    """Print a line for each build."""
    with copied_tree() as tree:
        before: dict[str, Any] = {}
        for title, target in (
            ("from nothing", "under 180 s, all chapters"),
            ("nothing changed", "under 5 s, no chapter"),
            ("one chapter changed", "that chapter alone"),
        ):
            if title == "one chapter changed":
                change(tree / CHAPTER)
            seconds = build(tree)
            after = executed(tree)
            ran = [name for name in after if after[name] != before.get(name)]
            which = ", ".join(ran) if len(ran) < 4 else f"{len(ran)} chapters"
            print(f"{title:<20} {seconds:>6.1f} s   executed: {which or 'none'}   (target: {target})", flush=True)
            before = after


if __name__ == "__main__":
    main()
