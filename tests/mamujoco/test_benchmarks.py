"""What the benchmarks count: a wrong count would make any share of the limit."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import jax, jax.numpy as jnp
from benchmarks.learner import matrix_products, operations, repeated as alone
from pjap.mamujoco.networks import apply_mlp, init_mlp

def repeated(matrix):
    return jax.lax.scan(lambda carry, _: (matrix @ carry, None), jnp.ones((3, 4)), length=5)[0]

def gradient(layers, inputs):
    return jax.grad(lambda layers: apply_mlp(layers, inputs).sum())(layers)

def count(program, *arguments):
    return sum(operations(product) * times for product, times in matrix_products(program, *arguments).items())

print(count(repeated, jnp.ones((3, 3))))
print(count(gradient, init_mlp(jax.random.key(0), (6, 12, 5, 1)), jnp.ones((10, 6))))
(product,) = matrix_products(repeated, jnp.ones((3, 3)))
program, times = alone(product)
print(abs(program() - 3).max())
"""


def test_operations_are_those_of_the_layers():
    # The benchmark pins itself to one core and one thread, which must not happen to the other tests' process.
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), str(root / "code")])
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    repeated, gradient, error_alone = (float(line) for line in done.stdout.split())
    assert repeated == 5 * 2 * 3 * 3 * 4
    # Forwards but for the last layer, whose output no gradient needs; the weights' gradients; the hidden layers'. The
    # first layer is computed once more, transposed, which does not count.
    first, second, last = (2 * 10 * size for size in (6 * 12, 12 * 5, 5 * 1))
    assert gradient == (first + second) + (first + second + last) + (second + last)
    assert error_alone == 0  # ones (3, 3) times ones (3, 4)
