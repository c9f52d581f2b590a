"""Values as JSON between the grader and a submission's process: numbers, text, arrays, and lists and dicts of them.

JSON and raw numbers, because reading a pickle runs whatever its writer wished.
"""

import base64
from contextlib import suppress
from typing import Any

import numpy as np

NUMBERS = "biufc"
"""Kinds of NumPy's types that travel: truth values, integers, floating-point and complex numbers."""


def encode(value: Any) -> Any:
    """Turn a value into what `json.dumps` takes.

    Args:
        value: None, an ellipsis, a truth value, number, text, array (NumPy's, JAX's, or anything that NumPy reads), a
            NumPy random generator, or a list, tuple or dict with text keys of such.

    Raises:
        TypeError: for anything else.

    Example:
        >>> encode([1, "a"])
        {'list': [1, 'a']}
        >>> decode(encode({"drift": np.array([0.5, -0.5])}))
        {'drift': array([ 0.5, -0.5])}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if value is ...:
        return {"ellipsis": True}
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [encode(item) for item in value]}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a dict whose keys are not all text")
        return {"dict": {key: encode(item) for key, item in value.items()}}
    if isinstance(value, np.random.Generator):
        return {"generator": value.bit_generator.state}
    array = np.asarray(value)
    if array.dtype.kind == "O":  # fractions and decimals, which the public checks take, too
        with suppress(TypeError, ValueError):
            array = array.astype(float)
    if array.dtype.kind not in NUMBERS:
        raise TypeError(f"a {type(value).__name__}, which is neither a number nor an array of numbers")
    return {"array": base64.b64encode(array.tobytes()).decode(), "dtype": array.dtype.str, "shape": array.shape}


def decode(message: Any) -> Any:
    """Turn what `encode` made, after a journey as JSON, back into the value; JAX arrays come back as NumPy's.

    Raises:
        ValueError: if it is not such a thing. Whoever wrote it may have meant harm: nothing in it is run.
    """
    try:
        return _decode(message)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not an encoded value: {error}") from None


def _decode(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    if "array" in message:
        dtype = np.dtype(message["dtype"])
        if dtype.kind not in NUMBERS:
            raise ValueError(f"an array of {dtype}")
        array = np.frombuffer(base64.b64decode(message["array"]), dtype).reshape(message["shape"])
        return array.copy() if array.ndim else array[()]
    if "list" in message:
        return [_decode(item) for item in message["list"]]
    if "tuple" in message:
        return tuple(_decode(item) for item in message["tuple"])
    if "dict" in message:
        return {str(key): _decode(item) for key, item in message["dict"].items()}
    if "generator" in message:
        generator = np.random.default_rng()
        generator.bit_generator.state = message["generator"]
        return generator
    if "ellipsis" in message:
        return ...
    raise ValueError(f"unknown keys {sorted(message)[:3]}")
