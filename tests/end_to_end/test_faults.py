"""Bad input through the real command line: exit 2, one message with file, row or key, value and the fix."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("train.csv", "id,text,target", "id,txt,target", ["train.csv", "line 1", "no column 'text'; did you mean 'txt'?"]),
        ("train.csv", "movie-5914,", "tweet-199,", ["train.csv", "line 3, column id", "'tweet-199' is already on line 2"]),
        ("train.csv", "control.\",0", "control.\",no", ["train.csv", "line 2, column target", "'no' is not 0 or 1"]),
        ("train.csv", "control.\",0", "control.\",", ["train.csv", "line 2, column target", "missing value"]),
        ("train.csv", "control.\",0", "control.\",0,9", ["train.csv", "line 2", "4 fields where the header has 3"]),
        ("test.csv", "id,text", "id,text,id", ["test.csv", "2 columns 'id'"]),
        ("sample_submission.csv", "id,prediction", "id,a,b", ["sample_submission.csv", "fields where the header has 3"]),
        ("competition.toml", "task = ", "tusk = ", ["competition.toml", "did you mean task?"]),
        ("competition.toml", 'metric = "f1"', 'metric = "rmse"', ["'label': rmse scores values; set the kind to 'probability'"]),
        ("competition.toml", 'metric = "f1"', 'metric = "micro_f1"', ["'micro_f1' is not for a binary task"]),
        ("competition.toml", 'slug = "twin-binary"', 'slug = "other"', ["competition.slug = 'other'"]),
        ("competition.toml", 'metric = "f1"', 'metric = "roc_auc"', ["'label'", "roc_auc scores probabilities"]),
        ("competition.toml", 'kind = "label"', 'kind = "value"', ["submission.kind = 'value' is not for a binary task"]),
        ("competition.toml", "epochs = 2", "epochs = -2", ["recipe.training.epochs = -2"]),
        ("competition.toml", '"none"', '"glove"', ["recipe.tokens.vectors = 'glove'", "glove-6b-100d-50k"]),
    ],
)  # fmt: skip
def test_a_fault_in_a_file(cli_here, workspace, file, old, new, expected):
    edit(workspace / "input" / "twin-binary" / file, old, new)
    done = cli_here("all", "-c", "twin-binary", code=2)
    assert done.stderr.startswith("error: ")
    for phrase in expected:
        assert phrase in done.stderr


def test_ids_of_test_and_sample_differ(cli_here, workspace):
    path = workspace / "input" / "twin-binary" / "sample_submission.csv"
    first = path.read_text().splitlines()[1].split(",")[0]
    edit(path, first, "other-1")
    message = cli_here("all", "-c", "twin-binary", code=2).stderr
    assert f"test.csv: 1 error\n  line 9, column id: id '{first}' is not in sample_submission.csv" in message


def test_a_fold_file_of_another_train_csv(cli_here, workspace):
    cli_here("folds", "-c", "twin-binary")
    edit(workspace / "input" / "twin-binary" / "train.csv", "movie-5914", "movie-new")
    message = cli_here("all", "-c", "twin-binary", code=2).stderr
    assert "1 of its 20 ids are missing here, 1 of 20 here are not in it" in message
    shown = cli_here("folds", "-c", "twin-binary", "--force").stdout
    assert "made twin-binary.csv" in shown


def test_the_ensemble_names_folds_that_are_missing_or_do_not_match(cli_here, workspace):
    cli_here("all", "-c", "twin-binary")
    cli_here("train", "-c", "twin-binary", "--fold", "0", "--set", "training.epochs=1")
    shutil.rmtree(workspace / "output" / "twin-binary" / "bilstm" / "fold1")
    message = cli_here("ensemble", "-c", "twin-binary", code=2).stderr
    assert "bilstm/fold0: recipe.training.epochs 1 → 2" in message
    assert "bilstm/fold1: missing" in message
    edit(workspace / "folds" / "twin-binary.csv", ",0\n", ",1\n")
    assert "bilstm/fold0: folds changed" in cli_here("ensemble", "-c", "twin-binary", code=2).stderr


def test_a_damaged_fold_is_named_and_mended(cli_here, workspace):
    cli_here("all", "-c", "twin-binary")
    member = workspace / "output" / "twin-binary" / "bilstm"
    submission = (workspace / "output" / "twin-binary" / "submission.csv").read_bytes()
    (member / "fold0" / "test.safetensors").unlink()
    weights = (member / "fold1" / "weights.safetensors").read_bytes()
    (member / "fold1" / "weights.safetensors").write_bytes(weights[:100])
    message = cli_here("ensemble", "-c", "twin-binary", code=2).stderr
    assert "bilstm/fold0: test.safetensors is missing" in message
    assert "bilstm/fold1: weights.safetensors is damaged" in message
    cli_here("all", "-c", "twin-binary")
    assert (workspace / "output" / "twin-binary" / "submission.csv").read_bytes() == submission


def test_damage_of_any_kind_is_mended_or_named(cli_here, workspace):
    cli_here("all", "-c", "twin-binary")
    output = workspace / "output" / "twin-binary"
    fold, submission = output / "bilstm" / "fold0", (output / "submission.csv").read_bytes()
    for name in ("bilstm/fold0/fold.json", "summary.json", "seconds.json", "tokens/tokens.json"):
        (output / name).write_text("[1]")
    (output / "bilstm" / "fold1" / "fold.json").unlink()
    (output / "bilstm" / "fold1" / "fold.json").mkdir()
    done = cli_here("all", "-c", "twin-binary")
    assert (output / "submission.csv").read_bytes() == submission
    for line in ("(tokens.json is damaged)", "bilstm folds 0, 1: fold.json is damaged", "(summary.json is damaged"):
        assert line in done.stdout
    assert "seconds.json is damaged; how long stages took before is not known" in done.stderr

    history = fold / "history.jsonl"
    history.write_bytes(bytes(255 for _ in history.read_bytes()))
    message = cli_here("report", "-c", "twin-binary", code=2).stderr
    assert "history.jsonl is damaged; run `./run.sh all" in message
    arrays = load_file(fold / "test.safetensors")  # of the same size, so that only reading notices
    save_file({**arrays, "predictions": np.full_like(arrays["predictions"], np.nan)}, fold / "test.safetensors")
    (output / "summary.json").unlink()
    message = cli_here("ensemble", "-c", "twin-binary", code=2).stderr
    assert "bilstm/fold0: history.jsonl is damaged; test.safetensors is damaged" in message
    for name in ("tokens.npy", "vectors.npy"):
        array = output / "tokens" / name
        array.write_bytes(bytes(255 for _ in array.read_bytes()))
        message = cli_here("train", "-c", "twin-binary", "--fold", "0", code=2).stderr
        assert f"{name} is damaged" in message


def test_a_group_named_after_the_folds_were_made_is_not_ignored(cli_here, workspace):
    folder = workspace / "input" / "twin-binary"
    lines = (folder / "train.csv").read_text(encoding="utf-8").splitlines()
    authors = ["author", *(f"a{row // 4}" for row in range(20))]
    (folder / "train.csv").write_text(
        "\n".join(f"{line},{author}" for line, author in zip(lines, authors, strict=True)) + "\n", encoding="utf-8"
    )
    edit(folder / "competition.toml", 'id = "id"', 'id = "id"\nignore = ["author"]')
    cli_here("folds", "-c", "twin-binary")
    edit(folder / "competition.toml", "ignore = [", 'group = "author"\nignore = [')
    assert "stand in more than one fold" in cli_here("folds", "-c", "twin-binary", code=2).stderr
    cli_here("folds", "-c", "twin-binary", "--force")
    cli_here("folds", "-c", "twin-binary")


def test_a_solution_with_other_columns_and_one_label_scores(cli_here, workspace):
    folder = workspace / "input" / "twin-binary"
    ids = [line.split(",")[0] for line in (folder / "sample_submission.csv").read_text().splitlines()[1:]]
    solution = folder / "solution.csv"
    solution.write_text("id,target,Usage\n" + "".join(f"{row_id},1,Public\n" for row_id in ids))
    assert "leaderboard" in cli_here("all", "-c", "twin-binary").stdout
    edit(solution, f"{ids[0]},1", f"{ids[0]},x")
    message = cli_here("all", "-c", "twin-binary", code=2).stderr
    assert "solution.csv: 1 error\n  line 2, column target: 'x' is not 0 or 1" in message


def test_stages_in_the_wrong_order(cli_here):
    assert (
        "no tokens yet; run `./run.sh tokens -c twin-binary --input"
        in cli_here("train", "-c", "twin-binary", code=2).stderr
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["all", "-c", "nothing"], ["no such folder", "twin-binary"]),
        (["train", "-c", "twin-binary", "--fold", "7"], ["--fold 7: there are folds 0 to 1"]),
        (["train", "-c", "twin-binary", "--member", "x"], ["--member x", "bilstm"]),
        (["all", "-c", "twin-binary", "--set", "epochs=3"], ["recipe.epochs", "unknown key"]),
        (["all", "-c", "twin-regression", "--set", "ensemble.method=rank_mean"], ["rank_mean", "rmse"]),
        (["all", "-c", "twin-multiclass", "--set", "ensemble.method=rank_mean"], ["rank_mean", "multiclass"]),
        (
            ["all", "-c", "twin-binary", "--set", "epochs=3"],
            ["did you mean training.epochs or encoder.epochs?", "--set epochs=3"],
        ),
        (["all", "-c", "twin-binary", "--set", "model.pooling=max"], ['write ["max"]']),
        (["all", "-c", "twin-binary", "--device", "tpu"], ["tpu"]),
        (
            ["all", "-c", "twin-binary", "--set", "ensemble.weights={bilstn = 1}"],
            ["'bilstm' has none, 'linear' has none, 'bilstn' is no member"],
        ),
        (
            ["all", "-c", "twin-binary", "--set", "ensemble.weights={bilstm = 1e308, linear = 1e308}"],
            ["recipe.ensemble.weights: 'bilstm' has 1e+308, more than 1e18"],
        ),
        (["al", "-c", "twin-binary"], ["al: no such command; did you mean all?"]),
        (["movie-reviews"], ["movie-reviews: no such command; to run this competition: ./run.sh all -c movie-reviews"]),
        (["train", "input/movie-reviews"], ["train takes no such argument; the competition is named with -c movie-r"]),
        (["train", "--fold", "3", "4"], ["error: 4: train takes no such argument; see ./run.sh train --help"]),
        (["init"], ["init: name one folder below input/: ./run.sh init SLUG"]),
        (["init", "-c", "twin-binary"], ["twin-binary/competition.toml: exists already; edit it"]),
    ],
)
def test_a_fault_on_the_command_line(cli_here, arguments, expected):
    message = cli_here(*arguments, code=2).stderr
    for phrase in expected:
        assert phrase in message


def test_empty_texts_are_legal_and_counted(cli_here, workspace):
    path = workspace / "input" / "twin-binary" / "test.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].split(",")[0] + ","
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "test.csv: 1 text is empty" in cli_here("all", "-c", "twin-binary").stderr


def test_traceback_on_request(workspace, cli):
    """In a process of its own, whose end Python itself could comment on."""
    (workspace / "input" / "twin-binary" / "test.csv").write_text("")
    assert "the file is empty" in cli("tokens", "-c", "twin-binary", code=2).stderr
    with pytest.raises(AssertionError, match="Traceback"):
        cli("tokens", "-c", "twin-binary", "--traceback", code=2)


def test_a_fault_in_the_last_member_shows_before_the_first_is_trained(cli_here, workspace):
    path = workspace / "input" / "twin-binary" / "competition.toml"
    members = '\n[recipe.members.good]\n[recipe.members.bad]\ntraining.optimizer = "AdmaW"\n'
    path.write_text(path.read_text() + members)
    done = cli_here("all", "-c", "twin-binary", code=2)
    assert "recipe.training.optimizer = 'AdmaW': no such optimizer; did you mean AdamW" in done.stderr
    assert not (workspace / "output" / "twin-binary" / "tokens").exists()
    cli_here("tokens", "-c", "twin-binary")
    cli_here("train", "-c", "twin-binary", code=2)
    assert not (workspace / "output" / "twin-binary" / "good").exists()


@pytest.mark.parametrize(
    ("slug", "settings", "expected"),
    [
        ("twin-binary", ["training.subgroup_weights=true"], "name them in [columns] subgroups"),
        ("twin-multiclass", ["training.subgroup_weights=true"], "is for binary tasks, not for a multiclass task"),
        ("twin-regression", ["model.name=linear", "linear.weighting=nb"], "recipe.linear.weighting = 'nb'"),
        ("twin-binary", ["model.arguments={ a = 1 }"], "only a class of your own takes them"),
        ("twin-binary", ["model.name=bilstn"], "did you mean bilstm?"),
        ("twin-binary", ["training.unfreeze_epoch=2"], "never train, with training.epochs"),
        ("twin-binary", ["competition.metric=f1"], "[competition] is edited in competition.toml"),
        ("twin-binary", ["members.a.seeds=[1]", "members.a-s1.seed=2"], "members.a-s1 is there twice"),
        ("twin-binary", ["training.loss=mean:mse"], "no module 'mean'; put it into src/"),
    ],
)
def test_settings_that_do_not_fit(cli_here, slug, settings, expected):
    chosen = [part for setting in settings for part in ("--set", setting)]
    assert expected in cli_here("all", "-c", slug, *chosen, code=2).stderr


def test_shares_to_cut_in_a_task_without_any(cli_here, workspace):
    edit(workspace / "input" / "twin-multiclass" / "competition.toml", "[columns]", "soft_cut = 0.5\n[columns]")
    assert "a multiclass task has no shares to cut" in cli_here("all", "-c", "twin-multiclass", code=2).stderr


def test_a_class_that_a_fold_lacks(cli_here, workspace):
    folder = workspace / "input" / "twin-multiclass"
    edit(folder / "train.tsv", "\tmovie\n", "\ttv\n")
    edit(folder / "sample_submission.csv", "movie", "movie,tv")
    lines = (folder / "sample_submission.csv").read_text().splitlines()
    header = lines[0].split(",")
    rows = [",".join([line.split(",")[0], *("0.2" for _ in header[1:])]) for line in lines[1:]]
    (folder / "sample_submission.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    message = cli_here("all", "-c", "twin-multiclass").stderr
    assert "class tv has 1 row (" in message
    assert "trained on in every fold and never validated" in message
    assert "there it is not scored; where all its rows are in one fold, that fold's model never sees it" in message
    header, *rows = (workspace / "output" / "twin-multiclass" / "submission.csv").read_text().splitlines()
    values = np.array([row.split(",")[1:] for row in rows], dtype=float)
    lacking = values[:, header.split(",").index("tv") - 1]
    assert ((lacking > 0) & (lacking < 0.3)).all()


def test_a_known_contest_whose_data_is_not_there(cli_here):
    assert (
        "`./run.sh download -c nlp-getting-started` fetches the contest's files"
        in cli_here("all", "-c", "nlp-getting-started", code=2).stderr
    )
    assert "did you mean spooky-author-identification?" in cli_here("all", "-c", "spooky", code=2).stderr


def test_a_loss_that_is_no_number_names_the_rows_and_keeps_the_best_weights(cli_here, workspace, monkeypatch):
    (workspace / "mine.py").write_text(
        "import torch\n"
        "calls = 0\n"
        "def fails(logits, targets):\n"
        "    global calls\n"
        "    calls += logits.requires_grad\n"
        "    loss = torch.nn.functional.mse_loss(logits, targets)\n"
        "    return loss * float('nan') if calls >= 6 else loss\n"
    )
    monkeypatch.syspath_prepend(workspace)
    done = cli_here(
        "all", "-c", "twin-regression", "--set", "training.loss=mine:fails", "--set", "training.epochs=9", code=1
    )
    assert "stops at a batch whose loss is no number; its rows: " in done.stderr
    named = done.stderr.split("its rows: ")[1].splitlines()[0].split(", ")
    ids = [
        line.split(",")[0] for line in (workspace / "input" / "twin-regression" / "train.csv").read_text().splitlines()
    ]
    assert named
    assert set(named) <= set(ids)
    assert "the training loss or its gradient became nan or infinite at step " in done.stderr
    stopped = next((workspace / "output" / "twin-regression" / "bilstm").glob("fold*-stopped"))
    assert (stopped / "weights.safetensors").is_file()
    cli_here("all", "-c", "twin-regression", "--set", "training.epochs=9")
    assert not stopped.exists()
