"""Policies and critics as plain lists of arrays, applied by plain functions.

Every agent has a policy of its own, which sees its own observation only (decentralised execution); the two critics
see the state and the joint action (centralised training).
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

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


def apply_mlp(layers: Layers, inputs: jax.Array) -> jax.Array:
    """Apply a multi-layer perceptron with rectified hidden layers.

    Args:
        layers: what `init_mlp` returns.
        inputs: (..., inputs).

    Returns:
        (..., outputs), linear.
    """
    for layer in layers[:-1]:
        inputs = jax.nn.relu(inputs @ layer["weight"] + layer["bias"])
    return inputs @ layers[-1]["weight"] + layers[-1]["bias"]


def init_policies(key: jax.Array, agents: int, observation_size: int, action_size: int, width: int) -> list[Layers]:
    """Draw one feed-forward policy for each agent, with two hidden layers.

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
    """
    return jax.tree.map(lambda target, new: target + rate * (new - target), targets, online)
