"""Students, their teachers and the table of extra rows through the real command line."""

import json
import shutil
from pathlib import Path

import pytest

SLUG = "twin-binary"
BASE = ["--set", "folds.n=3", "--set", "linear.min_count=1", "--set", "training.epochs=1"]
DISTILL = ["--set", "members.bilstm.training.distill=linear"]
PSEUDO = ["--set", "members.bilstm.training.pseudo_labels=0.5"]


def folder(workspace: Path, *parts: str) -> Path:
    return workspace.joinpath("output", SLUG, *parts)


def give_extra(workspace: Path, text: str) -> None:
    home = workspace / "input" / SLUG
    (home / "extra.csv").write_text(text, encoding="utf-8")
    path = home / "competition.toml"
    path.write_text(path.read_text().replace("[columns]", '[files]\nextra = "extra"\n\n[columns]', 1))


def test_all_three_together_in_one_command(cli_here, workspace):
    give_extra(
        workspace, "id,text,target\nold-1,A very good film of last year.,1\nold-2,A very bad film of last year.,0\n"
    )
    everything = [*BASE, *DISTILL, *PSEUDO, "--set", "members.bilstm.training.extra_epochs=2"]
    shown = cli_here("all", "-c", SLUG, *everything).stdout
    assert "train     linear folds 0, 1, 2: not trained yet" in shown
    assert "train     linear folds 0, 2 without 1: not trained yet" in shown
    assert shown.index("linear fold 2 without 1: 0.") < shown.index("bilstm folds 0, 1, 2: not trained yet")
    submission = folder(workspace, "submission.csv").read_bytes()
    assert len(folder(workspace, "oof.csv").read_text().splitlines()) == 21
    assert json.loads(folder(workspace, "summary.json").read_text())["rows"] == {"train": 20, "test": 8}

    # One fold of the student alone: its teachers are kept, the bytes come out the same.
    weights = folder(workspace, "bilstm", "fold1", "weights.safetensors")
    before = weights.read_bytes()
    shown = cli_here("train", "-c", SLUG, *everything, "--member", "bilstm", "--fold", "1").stdout
    assert "kept linear folds 0, 2 without 1" in shown
    assert "without 0" not in shown
    assert "train     1 fold in" in shown
    assert weights.read_bytes() == before

    # As after a kill between two fits of a teacher: only what is missing runs again.
    shutil.rmtree(folder(workspace, "linear", "without-1", "fold2"))
    shutil.rmtree(folder(workspace, "bilstm"))
    shown = cli_here("all", "-c", SLUG, *everything).stdout
    assert "kept linear fold 0 without 1" in shown
    assert "linear fold 2 without 1: not trained yet" in shown
    assert folder(workspace, "submission.csv").read_bytes() == submission


def test_a_student_is_out_of_date_when_its_teacher_is(cli_here, workspace):
    cli_here("all", "-c", SLUG, *BASE, *DISTILL)
    other = ["--set", "linear.word_ngrams=1"]
    error = cli_here("ensemble", "-c", SLUG, *BASE, *DISTILL, *other, code=2).stderr
    assert "bilstm/fold1: teacher linear changed" in error
    shown = cli_here("all", "-c", SLUG, *BASE, *DISTILL, *other).stdout
    assert "linear folds 0, 1 without 2: recipe.linear.word_ngrams 2 → 1" in shown
    assert "bilstm folds 0, 1, 2: teacher linear changed" in shown
    # Fitted again with the same bytes, it has nothing new to teach.
    shutil.rmtree(folder(workspace, "linear", "without-2"))
    shown = cli_here("all", "-c", SLUG, *BASE, *DISTILL, *other).stdout
    assert "kept bilstm folds 0, 1, 2" in shown


def test_pseudo_labels_follow_the_fold_that_gave_them(cli_here, workspace):
    alone = ["--set", 'ensemble.members=["bilstm"]']
    shown = cli_here("all", "-c", SLUG, *BASE, *PSEUDO, *alone).stdout
    assert "linear folds 0, 1, 2: not trained yet" in shown  # though the ensemble leaves it out
    assert [member["name"] for member in json.loads(folder(workspace, "summary.json").read_text())["members"]] == [
        "bilstm"
    ]
    test = folder(workspace, "linear", "fold1", "test.safetensors")
    content = bytearray(test.read_bytes())
    content[-1] ^= 1  # its size stays
    test.write_bytes(bytes(content))
    error = cli_here("ensemble", "-c", SLUG, *BASE, *PSEUDO, *alone, code=2).stderr
    assert "bilstm/fold1: teacher linear changed" in error
    assert "bilstm/fold0" not in error


def test_a_fault_of_a_teacher_out_of_the_ensemble_shows_before_tokens_are_made(cli_here, workspace):
    fault = ["--set", 'ensemble.members=["bilstm"]', "--set", "members.linear.linear.word_ngrams=0"]
    fault += ["--set", "members.linear.linear.char_ngrams=0"]
    error = cli_here("all", "-c", SLUG, *BASE, *DISTILL, *fault, code=2).stderr
    assert "recipe.linear" in error
    assert not folder(workspace, "tokens").exists()


def test_weights_of_0_give_the_bytes_without(cli_here, workspace):
    give_extra(workspace, "id,text,target\nold-1,A very good film of last year.,1\n")
    cli_here("all", "-c", SLUG, *BASE)
    plain = folder(workspace, "submission.csv").read_bytes()
    oof = folder(workspace, "oof.csv").read_bytes()
    nothing = ["distill_weight=0.0", "pseudo_labels=0.0", "extra_epochs=0"]
    off = [part for field in nothing for part in ("--set", f"members.bilstm.training.{field}")]
    cli_here("all", "-c", SLUG, *BASE, *DISTILL, *off)
    assert folder(workspace, "submission.csv").read_bytes() == plain
    assert folder(workspace, "oof.csv").read_bytes() == oof
    assert not folder(workspace, "linear", "without-1").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,text,target\na,good,2\n", "extra.csv: 1 error\n  line 2, column target: '2' is not 0 or 1"),
        ("id,text,target\na,good,\n", "line 2, column target: missing value"),
        ("id,txt,target\na,good,1\n", "line 1: no column 'text'; did you mean 'txt'?"),
        ("id,text,target,stars\na,good,1,5\n", "line 1: column 'stars' is not expected here"),
        ("id,text,target\na,good,1\na,bad,0\n", "line 3, column id: id 'a' is already on line 2"),
        ("id,text,target\n", "extra.csv: 1 error\n  a header and no rows"),
        ("id,text,target\na,good\n", "line 2: 2 fields where the header has 3"),
    ],
)
def test_a_bad_table_of_extra_rows(cli_here, workspace, text, expected):
    give_extra(workspace, text)
    assert expected in cli_here("all", "-c", SLUG, code=2).stderr


def test_no_table_and_unknown_classes(cli_here, workspace):
    give_extra(workspace, "")
    (workspace / "input" / SLUG / "extra.csv").unlink()
    assert "no table 'extra'; put extra.csv or .tsv there" in cli_here("all", "-c", SLUG, code=2).stderr
    home = workspace / "input" / "twin-multiclass"
    (home / "extra.csv").write_text("id,text,domain\na,good,radio\n")
    path = home / "competition.toml"
    path.write_text(path.read_text().replace("[columns]", '[files]\nextra = "extra"\n\n[columns]', 1))
    error = cli_here("all", "-c", "twin-multiclass", code=2).stderr
    assert "extra.csv: 1 error\n  line 2, column domain: label 'radio' is not in the training table" in error


def test_a_change_of_the_extra_rows_makes_tokens_and_folds_anew(cli_here, workspace):
    give_extra(workspace, "id,text,target\nold-1,Good.,1\n")
    extra = ["--set", "training.extra_epochs=1"]
    cli_here("all", "-c", SLUG, *BASE, *extra)
    (workspace / "input" / SLUG / "extra.csv").write_text("id,text,target\nold-1,Good.,0\n")
    shown = cli_here("all", "-c", SLUG, *BASE, *extra).stdout
    assert "extra changed" in shown
    assert "bilstm folds 0, 1, 2: tokens changed" in shown


def test_debug_passes_through_all_of_it(cli_here, workspace):
    give_extra(workspace, "id,text,target\nold-1,Good.,1\n")
    extra = ["--set", "members.bilstm.training.extra_epochs=1"]
    cli_here("all", "-c", SLUG, *BASE, *DISTILL, *PSEUDO, *extra, "--debug")
    assert (workspace / "output" / f"{SLUG}-debug" / "submission.csv").is_file()
