"""The comparison of reference notebooks can fail: a wrong number in one is caught."""

import subprocess
import sys

import nbformat
import pytest
from tools import reference_notebooks as reference


def notebook(claimed):
    cell = nbformat.v4.new_code_cell(
        "from pjap.games import twin_peaks\nprint(twin_peaks().reward([-0.5, 0.5]))",
        metadata={"tags": [reference.COMPARED]},
        execution_count=1,
        outputs=[nbformat.v4.new_output("stream", name="stdout", text=f"{claimed}\n")],
    )
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=[cell], metadata=kernel)


@pytest.mark.parametrize(("claimed", "passes"), [("-2.0", True), ("-1.9", False)])
def test_a_wrong_number_is_caught(tmp_path, claimed, passes):
    nbformat.write(notebook(claimed), tmp_path / "claim.ipynb")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--nbval-lax",
        "--rootdir",
        str(tmp_path),
    ]
    result = subprocess.run([*command, "-c", "/dev/null", str(tmp_path)], capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode == 0) is passes, result.stdout
    if not passes:
        assert "-1.9" in result.stdout
