"""A notebook of the walk from tables to predictions runs from its first cell to its last."""

import json
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import COMPETITIONS, environment

WALK = Path(__file__).with_name("walk.ipynb")


@pytest.fixture
def kernels(tmp_path, monkeypatch) -> None:
    """A kernel of this interpreter, and none of the user's own folders."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    folder = tmp_path / "jupyter_data_dir" / "kernels" / "python3"
    folder.mkdir(parents=True)
    line = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": line, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])


@pytest.mark.usefixtures("kernels")
def test_the_walk_runs_in_a_notebook(tmp_path):
    for name in ("train", "test", "sample_submission"):
        shutil.copy(COMPETITIONS / "twin-binary" / f"{name}.csv", tmp_path)
    notebook = nbformat.read(WALK, as_version=4)
    places = {place: str(tmp_path / place) for place in ("input", "folds", "output")}
    for cell in notebook.cells:
        cell.source = cell.source.replace("places = {}", f"places = {places}")
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.get("text", "") for output in shown)
    assert "init" in text
    assert "train     bilstm fold 0" in text
    assert not [output for output in shown if output.output_type == "error"]
    assert (tmp_path / "output" / "reviews" / "report.html").is_file()
