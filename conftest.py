"""Settings of the whole test run."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import settings

# The same examples on every run: a failure can be repeated, and a build does not depend on luck.
settings.register_profile("book", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("book")
