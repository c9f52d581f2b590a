"""Files that are whole or not there; also of results, checkpoints and marks. Needs no JAX."""

import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def require_writable(folder: Path) -> None:
    """Make a folder and try to write into it.

    Args:
        folder: made, with its parents, if it is not there.

    Raises:
        OSError: if that fails, with what to do about it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"cannot write to folder {folder} ({error.strerror}): choose another one") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is, at every moment, either absent, the old one, or whole.

    Args:
        path: of the file; its folder exists.
        content: of the whole file.

    Raises:
        OSError: if it cannot be written, see `write_error`; the old file is still whole then.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # or a crash soon after could leave the new name without the content
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: Exception) -> OSError:
    """Say what could not be written, which the system's own "No space left on device" does not.

    Args:
        path: what was to be written.
        error: why it was not.

    Returns:
        What to raise instead.
    """
    reason = getattr(error, "strerror", None) or str(error).rpartition(": ")[2]
    return OSError(f"cannot write {path} ({reason}): make room there or name another folder, then do the same again")


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all, a line for each point of a curve.

    Args:
        path: of the file.
        content: anything that JSON holds.

    Raises:
        OSError: see `write_atomically`.
    """
    text = json.dumps(content, indent=1).replace("\n   ", " ").replace("\n  }", " }")
    write_atomically(path, (text + "\n").encode())


KINDS: dict[str, Any] = {
    "a text": str,
    "a whole number": int,
    "a number": int | float,
    "a list": list,
    "an object": dict,
}
"""What JSON holds, and what Python makes of it."""


def require_json(content: Any, kinds: dict[str, str], optional: bool = False) -> None:
    """Refuse JSON that lacks something, or holds something of another kind in its place.

    Args:
        content: what `json.loads` has returned.
        kinds: where a value must be to its kind, one of `KINDS`; "run.seed" is `content["run"]["seed"]`.
        optional: let pass what is missing.

    Raises:
        ValueError: that says what is missing or wrong; the file's name is for the caller to add.

    Example:
        >>> require_json({"run": {"seed": "7"}}, {"run.seed": "a whole number"})
        Traceback (most recent call last):
        ValueError: its run.seed is '7', expected a whole number
    """
    missing = object()
    for place, kind in kinds.items():
        value = content
        for name in place.split("."):
            value = value.get(name, missing) if isinstance(value, dict) else missing
        if value is missing and not optional:
            raise ValueError(f"it has no {place}")
        if value is not missing and not isinstance(value, KINDS[kind]):
            raise ValueError(f"its {place} is {repr(value)[:80]}, expected {kind}")


def to_npz(arrays: dict[str, Any]) -> bytes:
    """Pack arrays as an uncompressed `.npz`, without pickle.

    Args:
        arrays: name to array.

    Returns:
        The file's content.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read a whole `.npz` without unpickling.

    Args:
        path: of the file.

    Returns:
        Name to array.

    Raises:
        ValueError: if there is no such file, or it is not a whole one.
        MemoryError: if it does not fit.
        PermissionError: if it may not be read.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except (MemoryError, PermissionError):  # says nothing of the file, which may be whole
        raise
    except Exception as error:  # zipfile, zlib and NumPy each have their own
        raise ValueError(f"{path} is not a whole .npz file ({error}): delete it and make it again") from error
