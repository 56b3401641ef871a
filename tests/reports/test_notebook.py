"""The notebook is what its script makes, and every cell of it runs."""

import re
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
    assert len(pictures) == 3
    told = "".join(output.get("text", "") for output in outputs)
    promised, cross_fitted, optimism = (
        _number(re.search(rf"{word} (-?[\d,]*\d)", told)[1])
        for word in ("promised", "cross-fitted", "the optimism is")
    )
    assert optimism > 0, "the best of many settings looks better than it is"
    assert promised > cross_fitted
    gain, low, high = map(_number, re.search(r"earns (\S+) \((\S+) to (\S+)\) against the proposal", told).groups())
    assert low < gain < high
    assert ('retrain_when = "f1_drop > ' in told) == (low > 0)
    assert ("Nothing was shown to be better" in told) == (low <= 0)
    played_again = re.findall(r"^(\S+): F1 0\.\d+ after the onset, \d+ retrainings$", told, re.MULTILINE)
    assert played_again == ["proposal", "chosen"][: 1 + (low > 0)]
    assert not [output for output in outputs if output.get("name") == "stderr"], "nothing is warned of"


def _number(text):
    return float(text.replace(",", ""))
