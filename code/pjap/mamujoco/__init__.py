"""The scaled experiment: multi-agent MuJoCo, behaviour teams, datasets and offline learners, in JAX."""
