"""Execute the chapters that have changed, as many at once as there are processors, before the book is built.

    python -m tools.execute

Sphinx executes one chapter after the other. This fills the cache that it looks into first (`execute` in `_config.yml`),
with jupyter-cache's own parallel executor. A chapter that fails is left to Sphinx, which runs it again and says which
cell it was.
"""

import time

import yaml
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor

from tools.reference_notebooks import ROOT, chapters

READER = {"type": "plugin", "name": "myst_nb_md"}
"""How Sphinx reads a chapter: the cache knows it by its cells."""


def main() -> None:
    """Execute what the cache does not hold."""
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["execute"]
    cache = get_cache(ROOT / settings["cache"])
    # The last chapters take longest; a short one at the end keeps no processor waiting.
    records = [cache.add_nb_to_project(str(page), read_data=READER) for page in reversed(chapters())]
    started = time.perf_counter()
    executor = load_executor("local-parallel", cache)
    done = executor.run_and_cache(filter_pks=[record.pk for record in records], timeout=settings["timeout"])
    failed = len(done.excepted) + len(done.errored)
    print(
        f"executed {len(done.succeeded)} of {len(records)} chapters in {time.perf_counter() - started:.0f} s"
        + f"; {failed} failed, and will say why" * (failed > 0)
    )


if __name__ == "__main__":
    main()
