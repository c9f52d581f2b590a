"""Policies and critics as plain lists of arrays, applied by plain functions.

Every agent has a policy of its own, which sees its own observation only (decentralised execution); the two critics
see the state and the joint action (centralised training). Introduced in chapter 9.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Layers = list[dict[str, jax.Array]]


def init_mlp(key: jax.Array, sizes: Sequence[int]) -> Layers:
    """Draw a multi-layer perceptron, uniform in +-1/sqrt(inputs) as PyTorch does (and so TD3's own code).

    Args:
        key: a JAX random key.
        sizes: widths from input to output, at least two.

    Returns:
        One dict a layer: `weight` (inputs, outputs) and `bias` (outputs,).
    """
    layers = []
    for layer_key, inputs, outputs in zip(jax.random.split(key, len(sizes) - 1), sizes[:-1], sizes[1:], strict=True):
        weight_key, bias_key = jax.random.split(layer_key)
        bound = inputs**-0.5
        layers.append(
            {
                "weight": jax.random.uniform(weight_key, (inputs, outputs), minval=-bound, maxval=bound),
                "bias": jax.random.uniform(bias_key, (outputs,), minval=-bound, maxval=bound),
            }
        )
    return layers


@jax.custom_vjp
def product(inputs: jax.Array, weight: jax.Array, transposed: jax.Array | None = None) -> jax.Array:
    """The matrix product of a layer, with a faster gradient of the weight on the CPU.

    That gradient multiplies by the transposed inputs, which XLA does at about 60 % of its usual rate. Given them as an
    array of their own it is as fast as any product; otherwise the narrower of both sides is transposed first, which
    the barriers make XLA do. The numbers are the same but for rounding.

    Args:
        inputs: (..., inputs).
        weight: (inputs, outputs).
        transposed: (inputs, rows), the same numbers as `inputs`. No gradient flows through it.

    Returns:
        (..., outputs).
    """
    return inputs @ weight


def _product_forward(inputs: jax.Array, weight: jax.Array, transposed: jax.Array | None = None) -> Any:
    return inputs @ weight, (inputs, weight, transposed)


def _product_backward(saved: Any, gradient: jax.Array) -> Any:
    inputs, weight, transposed = saved
    rows, columns = inputs.reshape(-1, inputs.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
    if transposed is not None:
        weight_gradient = transposed @ columns
    elif weight.shape[1] < weight.shape[0]:
        weight_gradient = _materialise(_materialise(columns.T) @ rows).T
    else:
        weight_gradient = _materialise(rows.T) @ columns
    return gradient @ weight.T, weight_gradient, jax.tree.map(jnp.zeros_like, transposed)


def _materialise(matrix: jax.Array) -> jax.Array:
    made: jax.Array = jax.lax.optimization_barrier(matrix)  # type: ignore[no-untyped-call]
    return made


product.defvjp(_product_forward, _product_backward)


def apply_mlp(layers: Layers, inputs: jax.Array, transposed: jax.Array | None = None) -> jax.Array:
    """Apply a multi-layer perceptron with rectified hidden layers.

    Args:
        layers: what `init_mlp` returns.
        inputs: (..., inputs).
        transposed: see `product`.

    Returns:
        (..., outputs), linear.
    """
    for layer in layers[:-1]:
        weight, bias, rows = layer["weight"], layer["bias"], inputs.reshape(-1, inputs.shape[-1])
        inputs = jax.nn.relu(product(inputs, weight, transposed) + bias)
        transposed = None
        if 2 * weight.shape[0] <= weight.shape[1]:  # cheaper than to transpose what this layer puts out
            transposed = jax.lax.stop_gradient(jax.nn.relu(weight.T @ rows.T + bias[:, None]))
    return product(inputs, layers[-1]["weight"], transposed) + layers[-1]["bias"]


def init_policies(key: jax.Array, agents: int, observation_size: int, action_size: int, width: int) -> list[Layers]:
    """Draw one feed-forward policy for each agent, with two hidden layers.

    Args:
        key: a JAX random key.
        agents: N.
        observation_size: O.
        action_size: A.
        width: units of a hidden layer.

    Returns:
        N multi-layer perceptrons from O to A.
    """
    sizes = (observation_size, width, width, action_size)
    return [init_mlp(agent_key, sizes) for agent_key in jax.random.split(key, agents)]


def apply_policies(policies: list[Layers], observations: jax.Array) -> jax.Array:
    """Act: every agent on its own observation.

    Args:
        policies: N policies.
        observations: (..., N, O).

    Returns:
        (..., N, A) actions in [-1, 1].
    """
    actions = [apply_mlp(policy, observations[..., agent, :]) for agent, policy in enumerate(policies)]
    return jnp.tanh(jnp.stack(actions, axis=-2))


def init_critics(key: jax.Array, state_size: int, joint_action_size: int, width: int) -> list[Layers]:
    """Draw the two centralised critics, with two hidden layers.

    Args:
        key: a JAX random key.
        state_size: S.
        joint_action_size: N A.
        width: units of a hidden layer.

    Returns:
        Two multi-layer perceptrons from S + N A to 1.
    """
    sizes = (state_size + joint_action_size, width, width, 1)
    return [init_mlp(critic_key, sizes) for critic_key in jax.random.split(key, 2)]


def apply_critic(critic: Layers, state: jax.Array, actions: jax.Array) -> jax.Array:
    """Value a joint action in a state.

    Args:
        critic: one critic.
        state: (..., S).
        actions: (..., N, A).

    Returns:
        (...) values.
    """
    joint_action = actions.reshape(*actions.shape[:-2], -1)
    return apply_mlp(critic, jnp.concatenate([state, joint_action], axis=-1))[..., 0]


def update_targets(targets: Any, online: Any, rate: float) -> Any:
    """Move target parameters towards the online ones by Polyak averaging.

    Args:
        targets: a tree of arrays.
        online: the same tree.
        rate: in (0, 1]; 1 copies.

    Returns:
        The tree, moved.
    """
    return jax.tree.map(lambda target, new: target + rate * (new - target), targets, online)


def value_joint_actions(critic: Layers, state: jax.Array, joint_actions: jax.Array) -> jax.Array:
    """Value several joint actions in each state.

    The same numbers as `apply_critic`, but the first layer meets each state once, however many joint actions it has.

    Args:
        critic: one critic.
        state: (..., S).
        joint_actions: (..., M, N A).

    Returns:
        (..., M) values.
    """
    first, *rest = critic
    of_state, of_action = jnp.split(first["weight"], [state.shape[-1]])
    # Joint actions go first, so that the state's part is added to contiguous numbers in either layout.
    joint_actions = jnp.moveaxis(joint_actions, -2, 0)
    hidden = jax.nn.relu(product(joint_actions, of_action) + (product(state, of_state) + first["bias"]))
    states, actions = (rows.reshape(-1, rows.shape[-1]).T for rows in (state, joint_actions))
    from_state = of_state.T @ states + first["bias"][:, None]
    from_actions = (of_action.T @ actions).reshape(len(from_state), len(joint_actions), -1)
    transposed = jax.nn.relu(from_state[:, None] + from_actions).reshape(len(from_state), -1)
    values = apply_mlp(rest, hidden, jax.lax.stop_gradient(transposed))[..., 0]
    return jnp.moveaxis(values, 0, -1)


Recurrent = dict[str, dict[str, jax.Array]]


def init_recurrent_policy(
    key: jax.Array, agents: int, observation_size: int, action_size: int, width: int, memory_size: int
) -> Recurrent:
    """Draw one recurrent policy that all agents share and that is told which agent it is.

    A linear layer, a gated recurrent unit (GRU) and a linear layer. The unit is the variant that resets the memory
    *after* its matrix product (as PyTorch and cuDNN do), so that a time step is one product.

    Args:
        key: a JAX random key.
        agents: N.
        observation_size: O.
        action_size: A.
        width: units of the first layer.
        memory_size: H, units of the recurrent unit.

    Returns:
        `input` (N + O, width), `unit` (width, 3 H), `memory` (H, 3 H) and `output` (H, A), each with its bias.
    """
    sizes = {
        "input": (agents + observation_size, width),
        "unit": (width, 3 * memory_size),
        "memory": (memory_size, 3 * memory_size),
        "output": (memory_size, action_size),
    }
    keys = jax.random.split(key, len(sizes))
    return {name: init_mlp(part, size)[0] for part, (name, size) in zip(keys, sizes.items(), strict=True)}


def step_recurrent(policy: Recurrent, observations: jax.Array, memory: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Act for one time step.

    Args:
        policy: what `init_recurrent_policy` returns.
        observations: (..., N, O).
        memory: (..., N, H), zero at the start of an episode.

    Returns:
        (..., N, A) actions in [-1, 1], and the memory for the next step.
    """
    memory = _update_memory(policy, _read(policy, observations), memory)
    return _write(policy, memory), memory


def unroll_recurrent(policy: Recurrent, observations: jax.Array, resets: jax.Array) -> jax.Array:
    """Act along sequences, from an empty memory.

    Args:
        policy: what `init_recurrent_policy` returns.
        observations: (L, B, N, O).
        resets: (L, B), 1 where the memory is emptied *after* the step, because an episode ended there.

    Returns:
        (L, B, N, A) actions in [-1, 1].
    """
    readings = _read(policy, observations)

    def step(memory: jax.Array, now: tuple[list[jax.Array], jax.Array]) -> tuple[jax.Array, jax.Array]:
        reading, reset = now
        memory = _update_memory(policy, reading, memory)
        return memory * (1 - reset)[:, None, None], memory

    memory_size = policy["output"]["weight"].shape[0]
    empty = jnp.zeros((*observations.shape[1:3], memory_size))
    return _write(policy, jax.lax.scan(step, empty, (readings, resets))[1])


def _read(policy: Recurrent, observations: jax.Array) -> list[jax.Array]:
    """What the recurrent unit gets from the observations of all steps at once: (..., N, O) -> three of (..., N, H)."""
    agents, size = observations.shape[-2:]
    weight = policy["input"]["weight"]
    # One-hot agent numbers times their rows of the weight are those rows.
    hidden = jax.nn.relu(product(observations, weight[-size:]) + weight[:agents] + policy["input"]["bias"])
    return _gates(policy["unit"], hidden)


def _gates(layer: dict[str, jax.Array], inputs: jax.Array) -> list[jax.Array]:
    """A layer's outputs for the update gate, the reset gate and the candidate.

    Three products, not a third of one each: what follows would read every third row of H numbers, which XLA does one
    number at a time.
    """
    weights, biases = (jnp.split(layer[name], 3, axis=-1) for name in ("weight", "bias"))
    return [product(inputs, weight) + bias for weight, bias in zip(weights, biases, strict=True)]


def _update_memory(policy: Recurrent, reading: list[jax.Array], memory: jax.Array) -> jax.Array:
    new_update, new_reset, new_candidate = reading
    old_update, old_reset, old_candidate = _gates(policy["memory"], memory)
    update = jax.nn.sigmoid(new_update + old_update)
    candidate = jnp.tanh(new_candidate + jax.nn.sigmoid(new_reset + old_reset) * old_candidate)
    return memory + update * (candidate - memory)


def _write(policy: Recurrent, memory: jax.Array) -> jax.Array:
    output = policy["output"]
    return jnp.tanh(product(jax.nn.relu(memory), output["weight"]) + output["bias"])


# Files


def name_leaves(tree: Any) -> dict[str, Any]:
    """Give every array of a tree a name: its path, such as `0/1/weight`.

    Args:
        tree: of arrays, in lists, dicts and named tuples.

    Returns:
        Name to NumPy array.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}


def fill_leaves(tree: Any, arrays: Any, source: Path, prefix: str = "") -> Any:
    """Put named arrays into a tree of the same structure; the reverse of `name_leaves`.

    Args:
        tree: gives structure and shapes; its own values are not used.
        arrays: name to array.
        source: where the arrays come from, for messages.
        prefix: in front of every name.

    Returns:
        A tree of the same structure, of the named arrays.

    Raises:
        ValueError: if an array is missing or of another shape than the tree's.
    """

    def take(path: Any, leaf: Any) -> Any:
        name = prefix + jax.tree_util.keystr(path, simple=True, separator="/")
        if name not in arrays:
            raise ValueError(f"{source} holds no array {name!r}: it is not of this kind, or of another architecture")
        if arrays[name].shape != leaf.shape:
            raise ValueError(
                f"{source}: {name!r} has shape {arrays[name].shape}, expected {leaf.shape}: it was saved with another "
                "scenario, width or dataset"
            )
        return arrays[name]

    return jax.tree_util.tree_map_with_path(take, tree)
