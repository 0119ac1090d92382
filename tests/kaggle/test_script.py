"""Built kernels, run as Kaggle runs them: alone, inputs read-only, no network, another test set than at home."""

import ast
import html
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import nbformat
import pytest

from conftest import COMPETITIONS
from foldwise.kaggle import script as kaggle_script
from foldwise.kaggle import script_template
from foldwise.kaggle.notebook import INFER_CELLS, TRAIN_CELLS, tools
from foldwise.kaggle.script import Kernel, fill_template
from kaggle_service.kaggle_tree import ids_of, lay_out, run_alone, write_hidden
from report_pages import Page

SLUG = "twin-binary"
DATASET = "ada/foldwise-twin-binary-vectors"
# "auto" times the number formats, which load can turn round.
SETTINGS = ("--set", "tokens.vectors=small", "--set", "training.precision=fp32", "--seed", "3")
# Of Kaggle's image; with what they need that other versions do not.
PINS = [
    *("pandas==2.2.2", "numpy==2.0.2", "scikit-learn==1.6.1", "tokenizers==0.22.2", "pydantic==2.12.5"),
    *("pydantic-core==2.41.5", "typer==0.24.1", "pytz", "tzdata"),
]


@pytest.fixture
def build(cli_here, workspace, quick_packing):
    """Build a kernel of a twin, with vectors of the user's own; → its folder and the datasets beside it."""
    folder = workspace / "input" / "embeddings"
    folder.mkdir()
    (folder / "small.vec").write_text("3 3\nthe 1 2 3\nand 4 5 6\nfilm 7 8 9\n")

    def run(*options: str, slug: str = SLUG) -> tuple[Path, dict[str, Path]]:
        cli_here("kernel", "build", "-c", slug, "--user", "ada", *SETTINGS, *options)
        output = workspace / "output" / slug
        kind, name = ("model", "kernel-infer") if "--infer" in options else ("vectors", "kernel")
        return output / name, {f"ada/foldwise-{slug}-{kind}": output / f"{name}-dataset"}

    return run


def run_cells(path: Path) -> list[Any]:
    """Run a notebook's cells in one namespace; → what each of them ends with, as a notebook would show it."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    with mock.patch.dict(os.environ):
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            body = ast.parse(cell.source).body
            last = body.pop() if isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), cell.id, "exec"), namespace)
            if last is not None:
                shown.append(eval(compile(ast.Expression(last.value), cell.id, "eval"), namespace))
    return [value for value in shown if value is not None]


def test_both_kinds_of_kernel_alone_give_the_bytes_of_home(build, cli_here, workspace, tmp_path, monkeypatch):
    slug = "twin-multilabel"  # whose submission holds probabilities
    cli_here("all", "-c", slug, *SETTINGS)
    at_home = (workspace / "output" / slug / "submission.csv").read_bytes()
    for mode in ("train", "infer"):
        folder, datasets = build(*(["--infer"] if mode == "infer" else []), slug=slug)
        root = tmp_path / mode
        working = lay_out(root, workspace / "input" / slug, slug, datasets)
        done = run_alone(folder / "kernel.py", working)
        assert done.returncode == 0, done.stderr
        assert ("small.vec: read" in done.stdout) == (mode == "train")
        assert f"submission: {working}/submission.csv" in done.stdout
        assert (working / "submission.csv").read_bytes() == at_home
        assert {path.name for path in working.iterdir()} <= {"submission.csv", "submission_probabilities.csv", slug}
        assert not list((root / "temp").glob("foldwise-*"))

    datasets["ada/foldwise-twin-multilabel-model"].joinpath("model.json").write_text("{}")
    working = lay_out(tmp_path / "another", workspace / "input" / slug, slug, datasets)
    done = run_alone(folder / "kernel.py", working)
    assert done.returncode == 2
    assert (
        "model.json: not the model this kernel was built with, but another version of the dataset ada/" in done.stderr
    )

    folder, datasets = build("--infer", "--notebook", slug=slug)
    ids = write_hidden(workspace / "input" / slug, rows=56)
    working = lay_out(tmp_path / "hidden", workspace / "input" / slug, slug, datasets, old=True)
    monkeypatch.chdir(working)
    (head,) = run_cells(folder / "kernel.ipynb")
    assert ids_of(working / "submission.csv") == ids
    assert list(head["id"]) == ids[:5]


def test_the_notebook_runs_cell_by_cell_on_fewer_rows(build, workspace, tmp_path, monkeypatch, capfd):
    folder, datasets = build("--notebook", "--time-budget", "1h")
    ids = write_hidden(workspace / "input" / SLUG, rows=3)
    working = lay_out(tmp_path / "kaggle", workspace / "input" / SLUG, SLUG, datasets)
    monkeypatch.chdir(working)
    for module in ("IPython", "IPython.display"):
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(HTML=str))
    frame, head = run_cells(folder / "kernel.ipynb")
    report = html.unescape(frame.partition('srcdoc="')[2].partition('"')[0])
    assert "train     bilstm fold 1: epoch 1.00" in capfd.readouterr().out
    assert ids_of(working / "submission.csv") == ids == list(head["id"])
    summary = json.loads((working / SLUG / "summary.json").read_text())
    for fold in summary["folds"]:
        assert [f"fold {fold['fold']}", f"{fold['score']:.4f}"] in [row[:2] for row in Page(report).tables[0]]
    assert report.count("<svg") >= 3


STANDS = "the run failed, see above; the submission of the folds that were finished stands"


@pytest.fixture(params=["script", "notebook"])
def kernel_that_runs(request, tmp_path, monkeypatch):
    """A kernel in an empty working folder whose run is some other code; → its exit code."""
    working = lay_out(tmp_path, COMPETITIONS / SLUG, SLUG)
    monkeypatch.chdir(working)
    monkeypatch.delenv("KAGGLE_IS_COMPETITION_RERUN", raising=False)

    def run(code: str) -> int:
        command = [sys.executable, "-c", code]
        if request.param == "script":
            monkeypatch.setattr(script_template, "SLUG", SLUG)
            monkeypatch.setattr(script_template, "unpack", lambda: working / "unpacked")
            monkeypatch.setattr(script_template, "command_of", lambda *_: command)
            return script_template.main()
        names = namespace_of_notebook()
        try:
            names["stream"](command)
        except names["KernelError"] as error:
            return int(str(error).partition("exit code ")[2].partition(";")[0])
        return 0

    return run


def namespace_of_notebook() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(tools(fill_template(Kernel(SLUG, ["all"]), {})), names)
    return names


def test_a_failed_run_ends_the_kernel_well_only_on_the_rerun_and_with_a_submission_of_its_own(
    kernel_that_runs, monkeypatch, capfd
):
    fail = "print('why'); raise SystemExit(3)"
    write = "open('submission.csv', 'w').write('id,target')\n"
    assert kernel_that_runs(write + fail) == 3
    monkeypatch.setenv("KAGGLE_IS_COMPETITION_RERUN", "")
    assert kernel_that_runs(write + fail) == 3
    monkeypatch.setenv("KAGGLE_IS_COMPETITION_RERUN", "1")
    assert kernel_that_runs(fail) == 3  # the submission that is there is of another run
    assert STANDS not in capfd.readouterr().out
    assert kernel_that_runs(write + fail) == 0
    why, stands, submission = capfd.readouterr().out.splitlines()
    assert (why, stands) == ("why", STANDS)
    assert submission.startswith("submission: ")
    Path("submission.csv").unlink()
    assert kernel_that_runs(fail) == 3


@pytest.mark.parametrize("cells", [TRAIN_CELLS, INFER_CELLS], ids=["train", "infer"])
def test_nothing_that_is_only_looked_at_can_fail_the_rerun(cells, tmp_path, monkeypatch):
    """In a folder where nothing is to be seen at all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAGGLE_IS_COMPETITION_RERUN", "1")
    names = namespace_of_notebook()
    looks = [cell for cell in cells if cell["cell_type"] == "code" and cell["id"] != "run"]
    assert looks
    for cell in looks:
        *body, last = ast.parse(cell["source"]).body
        assert isinstance(last, ast.Expr)
        exec(compile(ast.Module(body, []), cell["id"], "exec"), names)
        assert eval(compile(ast.Expression(last.value), cell["id"], "eval"), names) is None


@pytest.fixture(scope="session")
def image(tmp_path_factory) -> Path:
    """A Python with the versions of Kaggle's image; what the image has in ranges is this environment's, behind them."""
    if sys.version_info >= (3, 13):
        pytest.skip("the versions of Kaggle's image have no wheels for this Python")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    tried = [*pip, "download", "--retries", "0", "--no-deps", "six", "--dest", str(tmp_path_factory.mktemp("six"))]
    if subprocess.run(tried, capture_output=True, check=False).returncode:
        pytest.skip("the package index cannot be reached")
    folder = tmp_path_factory.mktemp("image")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "behind.pth").write_text(here + "\n")
    install = [*pip, "install", "--no-compile", "--no-deps", "--only-binary", ":all:", "--target", str(packages)]
    subprocess.run([*install, *PINS], check=True)
    return folder / "bin" / "python"


def test_a_hidden_test_set_in_the_older_mounts_with_the_versions_of_kaggles_image(
    build, workspace, tmp_path, image, monkeypatch
):
    monkeypatch.setattr(kaggle_script, "tarfile", tarfile)  # as it is packed for Kaggle
    folder, datasets = build()
    ids = write_hidden(workspace / "input" / SLUG, rows=56)
    working = lay_out(tmp_path / "kaggle", workspace / "input" / SLUG, SLUG, datasets, old=True)
    done = run_alone(folder / "kernel.py", working, image)
    assert done.returncode == 0, done.stderr
    assert "small.vec: read" in done.stdout
    assert ids_of(working / "submission.csv") == ids
    code = "import numpy, pandas, sklearn; print(numpy.__version__, pandas.__version__, sklearn.__version__)"
    found = subprocess.run([image, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.split() == ["2.0.2", "2.2.2", "1.6.1"]


def changed(script: Path, old: str, new: str) -> None:
    text = script.read_text()
    assert text.count(old) == 1
    script.write_text(text.replace(old, new))


def test_errors_of_the_kernels_surroundings_and_of_the_script(build, workspace, tmp_path):
    folder, datasets = build()
    script = folder / "kernel.py"

    def error(working: Path) -> str:
        done = run_alone(script, working)
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr

    bare = tmp_path / "bare" / "working"
    bare.mkdir(parents=True)
    done = subprocess.run([sys.executable, script], cwd=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: no folder {tmp_path}/bare/input and no /kaggle/input; add the contest {SLUG} to the inputs\n"
    )
    empty = lay_out(tmp_path / "empty", workspace / "input" / SLUG, "another-contest")
    assert f"error: the contest {SLUG} is not in {tmp_path}/empty/input; join it" in error(empty)
    working = lay_out(tmp_path / "without", workspace / "input" / SLUG, SLUG)
    assert f"error: the dataset {DATASET} is not in {tmp_path}/without/input; upload it" in error(working)

    working = lay_out(tmp_path / "kaggle", workspace / "input" / SLUG, SLUG, datasets)
    whole = script.read_text()
    start = whole.index('PAYLOAD = """') + 1000
    script.write_text(whole[:start] + ("A" if whole[start] != "A" else "B") + whole[start + 1 :])
    assert "error: the payload of this kernel is damaged; build it anew with the command at its top" in error(working)
    assert not list((tmp_path / "kaggle" / "temp").glob("foldwise-*"))


def test_a_train_table_that_the_folds_were_not_made_for(build, workspace, tmp_path):
    folder, datasets = build()
    tables = tmp_path / "tables"
    shutil.copytree(workspace / "input" / SLUG, tables)
    changed(tables / "train.csv", "movie-5914", "movie-5915")
    working = lay_out(tmp_path / "kaggle", tables, SLUG, datasets)
    done = run_alone(folder / "kernel.py", working)
    assert done.returncode == 2
    assert (
        "twin-binary.packed.json: made for a train.csv of 20 rows, and the one here has 20, not the same" in done.stderr
    )
