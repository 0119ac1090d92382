"""The real command line on the 20-row competitions: every task, every promise of the output folder."""

import csv
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from conftest import COMPETITIONS, REPOSITORY, command, environment
from foldwise.data.table import read_table
from forked import start_program
from reliability.in_process import results
from report_pages import read_page

SUMMARY = {
    "competition", "task", "metric", "greater_is_better", "cv", "folds", "members", "ensemble", "rows", "seconds", "baseline",
    "device", "torch", "command", "git_commit", "seed",
}  # fmt: skip


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where another process, whose sets and hashes of texts have another order, ran all stages, and what it printed."""
    root = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(COMPETITIONS, root / "input")
    line = command(root, "all", "-c", "twin-regression")
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=300, check=True)
    assert "Traceback" not in done.stderr
    return root, done.stdout


@pytest.fixture
def made_elsewhere(elsewhere: tuple[Path, str], workspace: Path) -> str:
    """The workspace has what it made; → what it printed."""
    root, shown = elsewhere
    shutil.rmtree(workspace / "input")
    shutil.copytree(root, workspace, dirs_exist_ok=True)
    return shown.replace(str(root), str(workspace))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_from_csv_to_submission(cli_here, workspace, task, request):
    slug = f"twin-{task}"
    shown = request.getfixturevalue("made_elsewhere") if task == "regression" else cli_here("all", "-c", slug).stdout
    output, source = workspace / "output" / slug, workspace / "input" / slug

    submission, sample = rows_of(output / "submission.csv"), rows_of(source / "sample_submission.csv")
    assert submission[0] == sample[0]
    assert [row[0] for row in submission] == [row[0] for row in sample]
    values = np.array([row[1:] for row in submission[1:]], dtype=float)
    assert np.isfinite(values).all()
    if task == "binary":
        assert {value for row in submission[1:] for value in row[1:]} <= {"0", "1"}
    elif task != "regression":
        assert ((values >= 0) & (values <= 1)).all()
    if task == "multiclass":
        assert values.sum(axis=1) == pytest.approx(1, abs=1e-6)

    summary = json.loads((output / "summary.json").read_text())
    assert summary.keys() >= SUMMARY
    assert "leaderboard" not in summary
    assert summary["rows"] == {"train": 20, "test": 8}
    assert [fold["fold"] for fold in summary["folds"]] == [0, 1]
    assert summary["folds"][0].keys() >= {"fold", "score", "best_epoch", "epochs", "seconds"}
    assert [member["name"] for member in summary["members"]] == list(summary["ensemble"]["weights"])
    assert list(summary["ensemble"]["weights"]) == ["bilstm", "linear"]
    assert sum(summary["ensemble"]["weights"].values()) == pytest.approx(1)
    alone = {member["name"]: member["cv"] for member in summary["members"]}
    sign = 1 if summary["greater_is_better"] else -1
    for member, other in zip(summary["members"], reversed(list(alone)), strict=True):
        assert member["adds"] == pytest.approx(sign * (summary["cv"]["pooled"] - alone[other]))
    assert "what each member adds to the score of the others: bilstm " in shown
    name, best = max(alone.items(), key=lambda pair: sign * pair[1])
    is_better = sign * best > sign * summary["ensemble"]["cv"]
    assert (f"{name} alone scores {best:.4f} on these rows, better than the ensemble; " in shown) == is_better

    assert summary["baseline"]["constant"] is not None
    assert summary["baseline"]["linear"] == alone["linear"]

    oof = rows_of(output / "oof.csv")
    train = read_table(next(source.glob("train.*")))
    assert [row[0] for row in oof[1:]] == train.column("id")
    targets = [name for name in train.frame.columns if name not in ("id", "text")]
    assert oof[0][: 2 + len(targets)] == ["id", "fold", *targets]
    assert all(name.startswith("prediction") for name in oof[0][2 + len(targets) :])
    assert [row[2 : 2 + len(targets)] for row in oof[1:]] == train.frame[targets].to_numpy().tolist()
    cli_here("report", "-c", slug)
    page = read_page((output / "report.html").read_text(encoding="utf-8"))
    assert set(page.column("Worst rows", "id")) == {row[0] for row in oof[1:]}
    assert [row[0] for row in page.titles["Scores"][0][1:3]] == ["fold 0", "fold 1"]
    for name, weight in summary["ensemble"]["weights"].items():  # which words carried each row
        assert page.text.count(f"{name}, for ") == 20 * (weight > 0)
    for phrase in (
        "fold 1",
        f"{slug}: {summary['metric']} {'↑' if sign == 1 else '↓'}",
        f"scores are {summary['metric']} {'↑' if sign == 1 else '↓'}",
        f"a model {'below' if sign == 1 else 'above'} the constant prediction has learnt nothing",
        "cv, mean ± sd",
        "ensemble (weighted mean), out of fold",
        "time when last made: folds",
        str(output / "submission.csv"),
    ):
        assert phrase in shown


@pytest.mark.usefixtures("made_elsewhere")
def test_a_second_run_keeps_everything_and_says_why(cli_here, workspace):
    """Also one in another process than the first."""
    before = hashes(workspace)
    shown = cli_here("all", "-c", "twin-regression").stdout
    assert hashes(workspace) == before
    for phrase in ("kept twin-regression.csv", "kept 4", "kept bilstm folds 0, 1", "kept submission.csv"):
        assert phrase in shown
    assert "made" not in shown.split("ensemble (weighted mean)")[0].replace("made from these folds", "")


def test_the_summary_of_a_kept_submission_says_how_it_was_made(cli_here, workspace):
    """Also where what was left to rules then is now written down as the same numbers."""
    cli_here("all", "-c", "twin-binary", "--set", "training.epochs=auto", "--set", "batches.size=auto")
    path = workspace / "output" / "twin-binary" / "summary.json"
    summary = json.loads(path.read_text())
    auto = {field: choice["value"] for field, choice in summary["auto"].items()}
    written = [part for field, value in auto.items() for part in ("--set", f"{field}={value}")]
    shown = cli_here("all", "-c", "twin-binary", *written).stdout
    assert len(auto) == 5
    assert "auto: " not in shown
    assert "kept submission.csv" in shown
    assert json.loads(path.read_text()) == summary


def test_only_what_changed_runs_again(cli_here, workspace):
    cli_here("all", "-c", "twin-binary")
    tokens = hashes(workspace / "output" / "twin-binary" / "tokens")
    shown = cli_here("all", "-c", "twin-binary", "--set", "training.epochs=1").stdout
    assert "bilstm folds 0, 1: recipe.training.epochs 2 → 1" in shown
    assert hashes(workspace / "output" / "twin-binary" / "tokens") == tokens
    shown = cli_here("all", "-c", "twin-binary", "--set", "training.epochs=1", "--set", "tokens.min_count=2").stdout
    assert "tokens.min_count 1 → 2" in shown
    assert "tokens changed" in shown
    (workspace / "output" / "twin-binary" / "submission.csv").unlink()
    shown = cli_here("all", "-c", "twin-binary", "--set", "training.epochs=1", "--set", "tokens.min_count=2").stdout
    assert "kept bilstm folds 0, 1" in shown
    assert "made submission.csv" in shown


def test_one_fold_again_leaves_the_others_and_the_submission_byte_for_byte(cli_here, workspace):
    cli_here("all", "-c", "twin-binary")
    member = workspace / "output" / "twin-binary" / "bilstm"
    submission = (workspace / "output" / "twin-binary" / "submission.csv").read_bytes()
    before = hashes(member)
    inode = (member / "fold1" / "fold.json").stat().st_ino
    cli_here("train", "-c", "twin-binary", "--fold", "1")
    after = hashes(member)
    assert (member / "fold1" / "fold.json").stat().st_ino != inode
    same = [name for name in before if name.startswith("fold0/")]
    same += [f"fold1/{name}" for name in ("weights.safetensors", "oof.safetensors", "test.safetensors")]
    assert {name: before[name] for name in same} == {name: after[name] for name in same}
    assert before.keys() == after.keys()
    cli_here("ensemble", "-c", "twin-binary")
    assert (workspace / "output" / "twin-binary" / "submission.csv").read_bytes() == submission


@pytest.mark.usefixtures("forked_workers")
def test_a_fold_alone_gives_the_bytes_it_gives_beside_others(cli_here, workspace, monkeypatch):
    """On rows of the embedded competition; folds are trained in processes side by side, and one alone is trained here."""
    source, folder = REPOSITORY / "input" / "movie-reviews", workspace / "input" / "movie-reviews"
    folder.mkdir()
    shutil.copy(source / "competition.toml", folder)
    for name, rows in {"train": 240, "test": 60, "sample_submission": 60, "solution": 60}.items():
        write_rows(folder / f"{name}.csv", rows_of(source / f"{name}.csv")[: rows + 1])
    monkeypatch.setattr("foldwise.running.placement.count_cores", lambda: 2)
    options = ["--set", "training.epochs=1", "--set", "model.hidden=8", "--set", "folds.n=3"]
    with monkeypatch.context() as worth:
        worth.setattr("foldwise.running.placement.WORTH_PROCESSES", 0)
        first = cli_here("all", *options)
    output = workspace / "output" / "movie-reviews"
    beside = hashes(output)
    assert "folds side by side: 2" in first.stdout
    assert "bilstm fold 2: epoch 1.00" in first.stdout
    assert "folds side by side: 1" in cli_here("train", "--fold", "2", *options).stdout
    alone = hashes(output)
    for member in ("bilstm", "linear"):
        assert alone[f"{member}/fold2/fold.json"] != beside[f"{member}/fold2/fold.json"]  # seconds
        for name in ("weights.safetensors", "oof.safetensors", "test.safetensors"):
            assert alone[f"{member}/fold2/{name}"] == beside[f"{member}/fold2/{name}"]
    solution = dict(rows_of(folder / "solution.csv")[1:])
    right = [solution[row_id] == label for row_id, label in rows_of(output / "submission.csv")[1:]]
    assert json.loads((output / "summary.json").read_text())["leaderboard"] == pytest.approx(sum(right) / 60)


@pytest.mark.usefixtures("made_elsewhere")
def test_same_seed_same_bytes_another_seed_other_bytes(cli_here, workspace):
    files: list[bytes] = []
    for options in ([], [], ["--seed", "1"]):
        if files:
            cli_here("all", "-c", "twin-regression", *options)
        files.append((workspace / "output" / "twin-regression" / "submission.csv").read_bytes())
        shutil.rmtree(workspace / "output")
        shutil.rmtree(workspace / "folds")
    first, again, other = files
    assert first == again != other


def test_a_killed_run_goes_on_to_the_same_bytes(cli_here, workspace):
    options = ["-c", "twin-binary", "--set", "folds.n=4", "--set", "training.epochs=8"]
    output = workspace / "output" / "twin-binary"
    cli_here("all", *options)
    expected = results(output, "*/fold*/*.safetensors")
    shutil.rmtree(workspace / "output")
    program = start_program(command(workspace, "all", *options))
    for line in program.lines:
        if "bilstm fold 1: epoch" in line:  # fold 0 is finished, fold 1 is not
            break
    program.kill()
    assert not (output / "submission.csv").exists()
    shown = cli_here("all", *options).stdout
    assert "kept bilstm fold 0:" in shown
    assert "bilstm folds 1, 2, 3: not trained yet" in shown
    assert results(output, "*/fold*/*.safetensors") == expected
    assert not list(output.rglob("*.tmp*"))


def test_members_are_averaged(cli_here, workspace):
    path = workspace / "input" / "twin-binary" / "competition.toml"
    path.write_text(path.read_text() + "\n[recipe.members.bilstm]\n[recipe.members.wide]\nmodel.hidden = 6\nseed = 3\n")
    cli_here("all", "-c", "twin-binary", "--set", "ensemble.method=rank_mean")
    output = workspace / "output" / "twin-binary"
    summary = json.loads((output / "summary.json").read_text())
    assert [member["name"] for member in summary["members"]] == ["bilstm", "wide"]
    assert summary["ensemble"]["method"] == "rank_mean"
    assert json.loads((output / "wide" / "fold0" / "fold.json").read_text())["inputs"]["recipe"]["model"]["hidden"] == 6
    first, other = (load_file(output / member / "fold0" / "oof.safetensors") for member in ("bilstm", "wide"))
    assert first["predictions"].tolist() != other["predictions"].tolist()


def test_weights_of_members_and_thresholds_of_columns(cli_here, workspace):
    path, output = workspace / "input" / "twin-multilabel", workspace / "output" / "twin-multilabel"
    text = (path / "competition.toml").read_text()
    text = text.replace('"roc_auc"', '"macro_f1"').replace('"probability"', '"label"')
    (path / "competition.toml").write_text(
        text + "\n[recipe.members.bilstm]\n[recipe.members.wide]\nmodel.hidden = 6\n"
    )
    shown = cli_here("all", "-c", "twin-multilabel", "--set", "ensemble.weights=fit").stdout
    ensemble = json.loads((output / "summary.json").read_text())["ensemble"]
    assert ensemble["weights"].keys() == {"bilstm", "wide"}
    assert sum(ensemble["weights"].values()) == pytest.approx(1)
    thresholds = ensemble["threshold"]
    named = ", ".join(
        f"{name} {cut:.4f}" for name, cut in zip(("positive", "negative", "strong"), thresholds, strict=True)
    )
    assert f"thresholds: {named}; each fold's score" in shown
    assert f"member wide, weight {ensemble['weights']['wide']:.2f}" in shown
    shown = cli_here("all", "-c", "twin-multilabel", "--set", "ensemble.weights={bilstm = 3, wide = 1}").stdout
    assert "made submission.csv" in shown
    assert "kept wide (bilstm) folds 0, 1" in shown
    summary = json.loads((output / "summary.json").read_text())
    assert summary["ensemble"]["weights"] == {"bilstm": 0.75, "wide": 0.25}
    oof = rows_of(output / "oof.csv")
    for fold in (0, 1):
        mine = [row[5:8] for row in oof[1:] if row[1] == str(fold)]
        parts = [load_file(output / member / f"fold{fold}" / "oof.safetensors") for member in ("bilstm", "wide")]
        first, second = (part["predictions"].astype(float) for part in parts)
        assert np.array(mine, dtype=float) == pytest.approx(0.75 * first + 0.25 * second, abs=1e-12)
    values = {value for row in rows_of(output / "submission.csv")[1:] for value in row[1:]}
    assert values <= {"0", "1"}


def test_debug_goes_through_every_stage_apart(cli_here, workspace):
    shown = cli_here("all", "-c", "twin-multilabel", "--debug").stdout
    assert (workspace / "output" / "twin-multilabel-debug" / "submission.csv").is_file()
    assert not (workspace / "folds").exists()
    assert not (workspace / "output" / "twin-multilabel").exists()
    assert "of 1.00" in shown


def test_debug_decides_how_long_every_member_trains(cli_here, workspace):
    path = workspace / "input" / "twin-binary" / "competition.toml"
    path.write_text(path.read_text() + "\n[recipe.members.long]\ntraining.epochs = 3\n")
    assert "long fold 0: epoch 1.00" in (shown := cli_here("all", "-c", "twin-binary", "--debug").stdout)
    assert "of 3.00" not in shown


def test_numbers_beside_the_text_two_texts_apart_and_a_package_of_ones_own(cli_here, workspace, monkeypatch):
    folder, package = workspace / "input" / "twin-binary", workspace / "parts"
    for name in ("train", "test"):
        table = rows_of(folder / f"{name}.csv")
        table[0] += ["title", "words"]
        for row in table[1:]:
            row += [row[1][:20], "" if row[0].endswith("1") else str(len(row[1].split()))]
        write_rows(folder / f"{name}.csv", table)
    config = (
        (folder / "competition.toml")
        .read_text()
        .replace('text = ["text"]', 'text = ["title", "text"]\nfeatures = ["words"]')
    )
    (folder / "competition.toml").write_text(config)
    package.mkdir()
    (package / "__init__.py").write_text("from parts.losses import mse\n")
    (package / "losses.py").write_text("def mse(logits, targets):\n    return ((logits - targets) ** 2).mean(dim=1)\n")
    monkeypatch.syspath_prepend(workspace)
    options = ["-c", "twin-binary", "--set", "tokens.columns=apart", "--set", 'tokens.features=["length", "unique"]',
               "--set", "training.loss=parts:mse"]  # fmt: skip
    assert "3 features beside the text: length, unique, words" in cli_here("all", *options).stdout
    assert "kept bilstm folds 0, 1" in cli_here("all", *options).stdout
    (package / "losses.py").write_text(
        "def mse(logits, targets):\n    return 2 * ((logits - targets) ** 2).mean(dim=1)\n"
    )
    assert "own.parts:mse changed" in cli_here("all", *options).stdout
    assert "bilstm folds 0, 1: " in cli_here("all", *options[:2], *options[4:]).stdout
