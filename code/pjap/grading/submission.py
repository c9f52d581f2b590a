"""One submission, seen from outside: start its process, ask it, and end it whatever it does."""

import contextlib
import itertools
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pjap.grading.wire import decode, encode

MESSAGE = 64 * 2**20
"""The longest answer that is read, in bytes."""
KEPT_OUTPUT = 2000
"""Characters of printed output that are kept."""
STARTS = 5
"""How often the process of one submission may be started: once, and again without a cell that ended it.

The last time, only the cells before that one are run, which have run before.
"""
PATIENCE = 10
"""The clock on the wall may show as many times the seconds of computing that a cell has."""
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        timeout: seconds of computing for a cell, and for a call that a check makes. The clock on the wall, which also
            counts waiting and other programs' work, allows ten times as many for a call, and for all cells together.
        memory: megabytes of address space. JAX takes about 1500 of it before it does anything.
        total: seconds by the clock on the wall for everything together; what was checked until then counts.
    """

    timeout: float = 30.0
    memory: int = 3000
    total: float = 600.0

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= 86400:  # the clocks do not count beyond some thousand years
            raise ValueError(f"timeout is {self.timeout}, expected a number of seconds above 0, at most a day's 86400")
        if self.memory < 256:
            raise ValueError(f"memory is {self.memory}, expected at least 256 megabytes")
        if not self.timeout <= self.total <= 86400:
            raise ValueError(f"total is {self.total}, expected at least the timeout's {self.timeout}, at most 86400")


class NoAnswerError(Exception):
    """A submission did not answer; the message says why, in words for its author."""


class StartError(OSError):
    """This machine cannot run submissions; the message says why, in words for whoever grades."""


class Submission:
    """A notebook's cells in a process of their own.

    A cell that does not finish, or that ends the process, is left out and the others are run again, so that its author
    loses only what depends on it. After too many such cells, all that follow the last of them are left out too. Each
    time the process starts in a new, empty folder. A context manager: at its end nothing of the process group is left.

    Attributes:
        notes: what happened, in words for its author.
        printed: how many bytes it printed.
        output: the beginning of that.
        memory: the largest resident size of its process, in megabytes, once it has ended; 0 where nobody knows.
    """

    def __init__(self, cells: list[str], limits: Limits) -> None:
        self.notes: list[str] = []
        self.printed = 0
        self.output = ""
        self.memory = 0.0
        self._cells = {str(number): source for number, source in enumerate(cells, 1)}
        self._limits = limits
        self._end = time.monotonic() + limits.total
        self._starts = 0
        self._stuck: dict[str, str] = {}
        self._process: _Process | None = None

    def __enter__(self) -> "Submission":
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop()

    def get(self, name: str, default: Any = None) -> Any:
        """What a check asks for by name: a value, or a function that calls the submission's.

        Raises:
            NoAnswerError: if there is nothing of this name, or the submission has ended, does not answer or has used
                all of its time.
            StartError: if the process cannot be started, before anything of the submission has run.
        """
        reply = self._ask({"name": name})
        if reply.get("missing"):
            raise NoAnswerError(f"After the notebook has run, there is no `{name}`.")
        if reply.get("function"):
            return self._function(name)
        return default if (value := _value(reply, name)) is None else value

    def _function(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            return _value(self._ask({"name": name, "arguments": encode(arguments), "named": encode(named)}), name)

        return call

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        name = question["name"]
        if name in self._stuck:
            raise NoAnswerError(self._stuck[name])
        process = self._running()
        try:
            process.say(question)
            return process.hear(min(PATIENCE * self._limits.timeout, self._end - time.monotonic()))
        except _EndedError as end:
            self._stop()
            self._stuck[name] = f"`{name}` {end}."
            self.notes.append(self._stuck[name])
            raise NoAnswerError(self._stuck[name]) from None

    def _running(self) -> "_Process":
        """The process, its cells run; started again, without the cell that ended it, as often as `STARTS` allows."""
        self._require_time()
        while self._process is None:
            if self._starts == STARTS:
                raise NoAnswerError(f"The notebook ended its own process {STARTS} times and was not started again.")
            self._starts += 1
            self._start()
            self._require_time()
        return self._process

    def _require_time(self) -> None:
        """End the submission, and refuse every answer, when its time is over."""
        if time.monotonic() < self._end:
            return
        self._stop()
        over = f"The {self._limits.total:g} seconds for the whole submission were over; nothing was checked after them."
        if over not in self.notes:
            self.notes.append(over)
        raise NoAnswerError(over)

    def _start(self) -> None:
        notes: dict[str, str] = {}  # one for each cell: a submission that forges messages can add no more
        cell = ""
        limits = self._limits
        deadline = min(time.monotonic() + PATIENCE * limits.timeout, self._end)
        try:
            process = self._process = _Process()
            process.say({"cells": self._cells, "timeout": limits.timeout, "memory": limits.memory * 2**20})
            while not (message := process.hear(deadline - time.monotonic())).get("ready"):
                if "failed" in message:
                    failed = str(message["failed"])
                    if failed in self._cells:
                        notes[failed] = f"{self._cell(failed)} raised {_plain(message.get('reason'))}"
                else:
                    cell = str(message.get("cell"))
        except (_EndedError, OSError) as end:
            self._stop()
            if self._starts == 1 and not cell:
                raise StartError(self._what_to_mend(end)) from None
            self._leave_out(cell, end)
        else:
            self.notes += [note for note in notes.values() if note not in self.notes]

    def _what_to_mend(self, problem: Exception) -> str:
        why = f"its process {problem}" if isinstance(problem, _EndedError) else str(problem)
        said = f"\nIt said: {self.output}" if self.output else ""
        return (
            f"this machine cannot grade, for nothing of a submission has run: {why}.{said}\n"
            f"Mend what `{sys.executable} -m pjap.grading.worker` needs, or allow more memory; then grade again."
        )

    def _leave_out(self, cell: str, why: Exception) -> None:
        """Run the others the next time; the last time, only those that have run before."""
        after = " and all cells after it were" if self._starts == STARTS - 1 else " was"
        self.notes.append(f"{self._cell(cell)} {why}; it{after} left out.")
        if self._starts == STARTS - 1 and cell in self._cells:
            self._cells = dict(itertools.takewhile(lambda entry: entry[0] != cell, self._cells.items()))
        self._cells.pop(cell, None)

    def _cell(self, number: Any) -> str:
        lines = self._cells.get(str(number), "").strip().splitlines()
        return f"Code cell {number} (`{_plain(lines[0])[:60]}`)" if lines else "The notebook"

    def _stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self.printed += self._process.printed
            shown = self._process.kept.decode(errors="replace").splitlines()
            self.output = self.output or "\n".join(_plain(line) for line in shown)[:KEPT_OUTPUT]
            self.memory = max(self.memory, self._process.memory)
        self._process = None


class _EndedError(Exception):
    """The process is of no more use; the message completes the sentence "`name` ..."."""


class _Process:
    def __init__(self) -> None:
        # A new one each time: what ran before may have removed the last one, or left something in it.
        self._folder = tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True)
        folder = self._folder.name
        ask, self._ask = os.pipe()
        self._answer, answer = os.pipe()
        self._heard = bytearray()
        self.printed, self.kept, self.memory = 0, b"", 0.0
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        path = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        own = {"HOME": folder, "TMPDIR": folder, "PYTHONPATH": os.pathsep.join(path)}
        own |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "MPLBACKEND": "Agg", "JAX_PLATFORMS": "cpu"}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pjap.grading.worker", str(ask), str(answer)],
            cwd=folder,
            env=kept | threads | own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(ask, answer),
            start_new_session=True,
        )
        os.close(ask)
        os.close(answer)
        self._drain = threading.Thread(target=self._read_output, daemon=True)
        self._drain.start()

    def _read_output(self) -> None:
        """Keep the beginning of what is printed, and throw the rest away, so that printing never blocks."""
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            while part := os.read(stream.fileno(), 1 << 16):
                self.kept += part[: max(0, 4 * KEPT_OUTPUT - len(self.kept))]
                self.printed += len(part)

    def say(self, message: dict[str, Any]) -> None:
        """Send one line; in pieces, since a process that does not read would block a whole one for ever."""
        line = memoryview(json.dumps(message).encode() + b"\n")
        deadline = time.monotonic() + 60
        while line:
            if not select.select([], [self._ask], [], max(0, deadline - time.monotonic()))[1]:
                raise _EndedError("stopped listening")
            try:
                line = line[os.write(self._ask, line[:4096]) :]
            except OSError:
                raise _EndedError(self._last_words()) from None

    def hear(self, seconds: float) -> dict[str, Any]:
        """Read one line within so many seconds; with none left, refuse even a line that waits.

        Otherwise a submission that never stops talking would never be out of time.
        """
        deadline = time.monotonic() + seconds
        while (end := self._heard.find(b"\n")) < 0 or seconds <= 0:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answer], [], [], left)[0]:
                raise _EndedError("did not finish within the time limit")
            part = os.read(self._answer, 1 << 20)
            if not part:
                raise _EndedError(self._last_words())
            self._heard += part
            if len(self._heard) > MESSAGE:
                raise _EndedError(f"answered with more than {MESSAGE >> 20} megabytes")
        line = bytes(self._heard[:end])
        del self._heard[: end + 1]
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise _EndedError("disturbed the grader's connection to it")
        return message

    def _last_words(self) -> str:
        time.sleep(0.2)  # it may have hung up a moment before its end
        self.stop()
        code = self._process.returncode
        if code == -signal.SIGPROF:
            return "did not finish within the time limit"
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"ended its own process ({how})"

    def stop(self) -> None:
        """End the whole process group: what the submission started goes with it."""
        if self._process.returncode is not None:
            return
        # The kernel's own record, of this program alone; there is none elsewhere than on Linux, or after its end.
        status = Path(f"/proc/{self._process.pid}/status")
        if status.exists() and (peak := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
            self.memory = int(peak[1]) / 1024
        # Nobody else has its number, as long as it is not waited for. On macOS nobody may signal a group whose leader
        # is dead and not waited for.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._drain.join(5)
        # Only now: a process that saw the grader hang up would print its own surprise at that.
        for descriptor in (self._ask, self._answer):
            os.close(descriptor)
        self._folder.cleanup()


def _value(reply: dict[str, Any], name: str) -> Any:
    if "raised" in reply:
        raise NoAnswerError(f"`{name}` raised {_plain(reply['raised'])}")
    try:
        return decode(reply.get("value"))
    except ValueError:
        raise NoAnswerError(f"`{name}` gave something that is neither numbers nor text.") from None


def _plain(text: Any) -> str:
    """A submission's own words, on one line, without control characters, and not too many of them."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))[:300]
