"""A package that pip has installed: it works in the current folder, and has all that it needs in itself."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import COMPETITIONS, REPOSITORY

WALK = Path(__file__).with_name("walk.ipynb")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Where pip has put it."""
    source, target = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("site")
    for name in ("pyproject.toml", "setup.py", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    shutil.copytree(REPOSITORY / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copytree(REPOSITORY / "input" / "embeddings", source / "input" / "embeddings", copy_function=os.link)
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--no-compile", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return target


@pytest.fixture
def elsewhere(site, tmp_path, monkeypatch) -> Path:
    """A folder where there is no checkout, for programs that find the installed package."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Python, in the current folder."""
    line = [sys.executable, *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def kernels(tmp_path_factory, monkeypatch) -> None:
    """A notebook's kernel of this interpreter, and none of the user's own settings."""
    folder = tmp_path_factory.mktemp("jupyter")
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    kernel = folder / "jupyter_data_dir" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    line = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": line, "display_name": "Python 3", "language": "python"}))


@pytest.mark.usefixtures("kernels")
def test_a_notebook_walks_from_tables_to_predictions_in_the_current_folder(site, elsewhere):
    for name in ("train", "test", "sample_submission"):
        shutil.copy(COMPETITIONS / "twin-binary" / f"{name}.csv", elsewhere)
    before = {path for path in site.rglob("*") if "__pycache__" not in path.parts}
    notebook = nbformat.read(WALK, as_version=4)
    NotebookClient(notebook, timeout=300).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in shown if output.output_type == "error"]
    assert any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in shown)  # bars
    text = "".join(output.get("text", "") for output in shown)
    assert "init      target = target" in text
    assert "train     bilstm fold 0: 0." in text
    report = "output/reviews/experiments/linear/report.html"
    for made in ("input/reviews/train.csv", "folds/reviews.csv", "output/reviews/submission.csv", report):
        assert (elsewhere / made).is_file()
    assert {path for path in site.rglob("*") if "__pycache__" not in path.parts} == before


def test_the_command_has_its_name_and_the_embedded_contest_is_not_there(site, elsewhere):
    shutil.copytree(COMPETITIONS / "twin-binary", elsewhere / "input" / "twin-binary")
    assert (site / "foldwise" / "competitions" / "spooky-author-identification.toml").is_file()
    command = str(site / "bin" / "foldwise")
    done = start(command)
    place = elsewhere / "input" / "movie-reviews"
    fix = "movie-reviews is embedded in foldwise's repository and in no installed package; clone that, or name another"
    assert done.stderr == f"error: {place}: no such folder; {fix} (there now: twin-binary)\n"
    assert done.returncode == 2
    (elsewhere / "input" / "twin-binary" / "competition.toml").unlink()
    missing = start("-m", "foldwise", "all", "-c", "twin-binary")
    assert "not found; `foldwise init twin-binary` writes it from the CSVs beside it" in missing.stderr
