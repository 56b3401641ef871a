"""The notebook is what its script makes, and every cell of it runs."""

import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))  # examples are no package

from make_notebook import NOTEBOOK, notebook  # noqa: E402 - needs the path above


def test_the_notebook_is_up_to_date():
    assert nbformat.read(NOTEBOOK, as_version=4) == notebook(), "run make notebook"
    assert 14 <= len(notebook().cells) <= 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:zmq", "ignore::ResourceWarning")
def test_every_cell_runs_and_shows_its_picture(tmp_path):
    played = notebook()
    NotebookClient(played, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in played.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 5
    told = "".join(output.get("text", "") for output in outputs)
    assert "best: f1_drop > 0." in told
    assert "in regret (" in told
    assert not [output for output in outputs if output.get("name") == "stderr"], "nothing is warned of"
