"""What the assignments' checks compare with: tolerant of the way an answer is written, and silent about the answer."""

from typing import Any

import numpy as np

__all__ = ["agree"]


def agree(answer: Any, expected: Any, hint: str, *, tolerance: float = 1e-6) -> None:
    """Fail with a hint unless an answer has the expected numbers, to a relative and absolute tolerance.

    Lists, NumPy and JAX arrays, integers and floating-point numbers are alike. The expected numbers are never shown.

    Args:
        answer: the student's.
        expected: numbers of any shape.
        hint: one sentence on the idea that is probably missing.
        tolerance: relative and absolute; single precision (JAX) needs about 1e-5.

    Raises:
        AssertionError: if they differ.

    Example:
        >>> agree([0.5, 0.25], np.array([0.5, 0.25]), "Halve it.")
        >>> agree(..., 0.5, "Halve it.")
        Traceback (most recent call last):
        AssertionError: This is not answered yet.
    """
    expected = np.asarray(expected, dtype=float)
    if answer is None or answer is ...:
        raise AssertionError("This is not answered yet.")
    try:
        if np.iscomplexobj(answer) and not np.allclose(np.imag(answer), 0, rtol=0, atol=tolerance):
            raise AssertionError("Expected real numbers, but this has an imaginary part.")
        found = np.asarray(np.real(answer), dtype=float)
    except (TypeError, ValueError):
        raise AssertionError(f"Expected numbers, but this is a {type(answer).__name__}.") from None
    if found.shape != expected.shape:
        raise AssertionError(f"Expected an array of shape {expected.shape}, but this has shape {found.shape}.")
    if not np.isfinite(found).all():
        raise AssertionError("This holds NaN or infinity.")
    if not np.allclose(found, expected, rtol=tolerance, atol=tolerance):
        raise AssertionError(hint)
