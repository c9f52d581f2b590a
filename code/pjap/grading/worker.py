"""The process in which one submission runs: `python -m pjap.grading.worker ASK ANSWER`, two open file descriptors.

It sets its own limits, runs the notebook's cells one after the other as Jupyter would, and then answers questions: the
value of a name, or the result of a call. It holds no check, and nothing that it says is trusted.
"""

import json
import os
import resource
import signal
import sys
import types
from typing import Any

from pjap.grading.wire import decode, encode

FILE_SIZE = 200 * 2**20
"""The largest file that a submission may write, in bytes."""


def main(ask: int, answer: int) -> None:
    """Take the job, run the cells, answer until the grader hangs up."""
    for descriptor in (ask, answer):
        os.set_inheritable(descriptor, False)
    questions = os.fdopen(ask, "rb")
    job = json.loads(questions.readline())
    namespace = _Shell(answer, job["cells"], job["timeout"], job["memory"])
    for line in questions:
        _say(answer, namespace.reply(json.loads(line)))


class _Shell:
    """IPython's shell without a kernel: cell magics and `display` work, errors do not stop the next cell."""

    def __init__(self, answer: int, cells: dict[str, str], timeout: float, memory: int) -> None:
        self.timeout = timeout
        sys.modules["otter"] = _silent_client()
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        class Quiet(InteractiveShell):
            def enable_gui(self, gui: Any = None) -> None:
                """What `%matplotlib inline` asks for: there is no window here."""

        settings = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
        shell: Any = Quiet.instance(config=settings)
        self.names: dict[str, Any] = shell.user_ns
        _limit(memory)
        for number, source in cells.items():
            _say(answer, {"cell": number})
            self.restart_clock()
            result = shell.run_cell(source, store_history=False)
            error = result.error_before_exec or result.error_in_exec
            if error is not None:
                _say(answer, {"failed": number, "reason": _describe(error)})
        _say(answer, {"ready": True})

    def restart_clock(self) -> None:
        """Let the kernel end this process after so many seconds of computing, however busy the machine is with others.

        A submission may stop this clock. It cannot stop the grader's, which shows the time of day.
        """
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, self.timeout)

    def reply(self, question: dict[str, Any]) -> dict[str, Any]:
        """A value, a call's result, or why there is none."""
        self.restart_clock()
        try:
            name = question["name"]
            if name not in self.names:
                return {"missing": True}
            value = self.names[name]
            if "arguments" in question:
                value = value(*decode(question["arguments"]), **decode(question["named"]))
            elif callable(value):
                return {"function": True}
            return {"value": encode(value)}
        except BaseException as error:  # a submission may raise anything, and must not end the conversation
            return {"raised": _describe(error)}


def _limit(memory: int) -> None:
    """Refuse memory beyond a number of bytes, huge files and core dumps; as hard limits, so that they stay."""
    if sys.platform == "linux":  # macOS refuses every limit of the address space
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _silent_client() -> types.ModuleType:
    """A stand-in for otter, whose checks a notebook calls: the real ones are made from outside."""

    class Notebook:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: None

    client = types.ModuleType("otter")
    client.Notebook = Notebook  # type: ignore[attr-defined]
    return client


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _say(answer: int, message: dict[str, Any]) -> None:
    remaining = memoryview(json.dumps(message).encode() + b"\n")
    while remaining:
        remaining = remaining[os.write(answer, remaining) :]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
