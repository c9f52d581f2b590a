"""Build the JupyterLite site in which the game half's notebooks run inside the reader's browser.

    python -m tools.browser_site        writes _build/html/lite, after the book itself is built

The site holds the notebooks, the results that they read, and the package's wheel. Pyodide's runtime and the wheels of
NumPy, SciPy and Matplotlib come from the kernel's default address, a CDN, when a reader starts a notebook.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat

from tools.launch_buttons import runs_in_a_browser
from tools.published_notebooks import requirements, results_read
from tools.reference_notebooks import NOTEBOOKS, ROOT, chapters, write

WORK = ROOT / "_build" / "lite"
SITE = ROOT / "_build" / "html" / "lite"
EXTENSIONS = Path(sys.prefix) / "share" / "jupyter" / "labextensions"

NOT_IN_PYODIDE = {"jax"}
"""Distributions that some chapter of the game half imports in passing, and that no browser has."""
DONE_WITHOUT = {"imageio-ffmpeg"}
"""No browser has these either, but no cell fails for it: `figures.video` shows a picture there instead of a film."""


def for_browser(notebook: Any) -> Any:
    """The notebook, changed in place: installed from the site's own wheel, and going on where a cell cannot run.

    Args:
        notebook: a published notebook, whose first cell fetches the package.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    extra, others = requirements("\n".join(cell.source for cell in code[1:]))
    wanted = " ".join([f'"pjap[{extra}]"', *sorted(set(others) - NOT_IN_PYODIDE - DONE_WITHOUT)])
    code[0].source = f"# Fetches what this chapter needs into this browser.\n%pip install --quiet {wanted}"
    for cell in code[1:]:
        missing = NOT_IN_PYODIDE & set(requirements(cell.source)[1])
        if missing:
            cell.source = f"# A browser has no {', '.join(missing)}: here, this cell fails.\n{cell.source}"
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "raises-exception"]
    return notebook


def write_contents(folder: Path) -> None:
    """Write the notebooks of the game half, and beside them the results that they read."""
    folder.mkdir(parents=True)
    for chapter in filter(runs_in_a_browser, chapters()):
        notebook = nbformat.read(NOTEBOOKS / f"{chapter.stem}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
        source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
        for path in results_read(source):
            if (NOTEBOOKS / path).is_file():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(NOTEBOOKS / path, folder / path)
        write(for_browser(notebook), folder / f"{chapter.stem}.ipynb")


def main() -> None:
    """Build the wheel, write the contents, and let JupyterLite make its site of them."""
    shutil.rmtree(WORK, ignore_errors=True)
    write_contents(WORK / "contents")
    # By way of an archive of the sources, so that no file of an earlier build gets into the wheel.
    build = ["uv", "build", "--quiet", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(WORK)]
    subprocess.run([Path(sys.prefix) / "bin" / build[0], *build[1:], str(ROOT)], check=True)
    (wheel,) = WORK.glob("*.whl")
    lite = [sys.executable, "-m", "jupyterlite_core", "build", "--no-sourcemaps", "--no-unused-shared-packages"]
    lite += ["--lite-dir", str(WORK), "--contents", "contents", "--output-dir", "site"]
    lite += ["--apps", "lab", "--apps", "notebooks", "--piplite-wheels", str(wheel)]
    # Of the environment's JupyterLab extensions, the kernel alone.
    kernel = EXTENSIONS / "@jupyterlite" / "pyodide-kernel-extension"
    lite += ["--ignore-sys-prefix", "federated_extensions", f"--LiteBuildConfig.federated_extensions={kernel}"]
    result = subprocess.run(lite, capture_output=True, text=True, cwd=WORK)
    if result.returncode:
        raise SystemExit(f"JupyterLite did not build:\n{result.stdout}{result.stderr}")
    shutil.rmtree(SITE, ignore_errors=True)
    (WORK / "site").rename(SITE)


if __name__ == "__main__":
    main()
