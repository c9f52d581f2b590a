"""Coordination failure in cooperative offline multi-agent reinforcement learning, as running code.

`pjap.games` holds the polynomial games of the book's first half and needs NumPy alone.
`pjap.mamujoco` holds the scaled experiment and needs JAX.
`pjap.priorities` holds the one idea that both halves share: Proximal Joint-Action Prioritisation (PJAP).
"""
