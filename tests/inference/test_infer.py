"""Packed weights against the home run they come from: its own test set, and others that it did not know."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from foldwise.config import Tokens
from foldwise.data.table import read_table
from foldwise.ensembling.blend import combine_test
from foldwise.ensembling.predictions import read_predictions
from foldwise.errors import InputError
from foldwise.files import write_checked
from foldwise.inference import infer as module
from foldwise.inference import machine
from foldwise.inference import predict as infer_job
from foldwise.inference.bundle import FORMAT, open_manifest, reads_vectors
from foldwise.inference.infer import infer
from foldwise.inference.new_words import vectors_of
from foldwise.inference.pack import pack_model
from foldwise.kaggle.build import KernelOptions, build_kernel
from foldwise.paths import Paths, resolve
from foldwise.run import Run
from foldwise.stages.ensemble import ensemble
from foldwise.stages.folds import folds
from foldwise.time_budget.budget import parse_budget
from foldwise.vectors.files import vector_sources
from inference.twins import CASES, FILE, at_home, other_test, put, rows_of, run_of, table, write_rows

RESULTS = ["submission.csv", "submission_probabilities.csv"]


@pytest.fixture
def elsewhere(packed, tmp_path) -> Callable[[str], tuple[Paths, Path]]:
    """Of a competition: a folder with test set and sample alone, and the packed weights."""

    def of(slug: str) -> tuple[Paths, Path]:
        root, weights, _ = packed(slug)
        others = shutil.ignore_patterns("train*", "*solutions*", "competition.toml", "split.json")
        shutil.copytree(root / "input" / slug, tmp_path / "input" / slug, ignore=others, dirs_exist_ok=True)
        if FILE in CASES[slug][1]:
            shutil.copytree(root / "input" / "embeddings", tmp_path / "input" / "embeddings", dirs_exist_ok=True)
        return resolve(slug, tmp_path / "input", None, tmp_path / "output"), weights

    return of


@pytest.fixture(autouse=True)
def same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("slug", CASES)
def test_its_own_test_set_gives_the_bytes_of_the_home_run(packed, elsewhere, slug):
    paths, weights = elsewhere(slug)
    infer(paths, weights, "cpu")
    assert paths.submission.read_bytes() == packed(slug)[2]
    home = packed(slug)[0] / "output" / slug
    assert paths.probabilities.read_bytes() == (home / "submission_probabilities.csv").read_bytes()
    assert sorted(path.name for path in paths.output.parent.rglob("*")) == sorted([slug, *RESULTS])
    assert (weights / "vectors.npy").exists() == (slug in ("twin-multiclass", "twin-multilabel"))  # frozen, or own


@pytest.fixture
def parts(monkeypatch) -> dict[str, list[np.ndarray]]:
    """What the folds of each member predicted at the last `infer`."""
    seen: dict[str, list[np.ndarray]] = {}
    monkeypatch.setattr(module, "combine_test", lambda *given: seen.update(given[0]) or combine_test(*given))
    return seen


def home_with_other_test(packed, slug: str, tmp_path: Path) -> Run:
    """The home run, had the other test set been there from the start; by the same fold file."""
    root = tmp_path / "again"
    for name in ("input", "folds"):
        shutil.copytree(packed(slug)[0] / name, root / name)
    put(root / "input" / slug, other_test(root / "input" / slug))
    return at_home(root, slug)[0]


@pytest.mark.parametrize("slug", ["twin-multiclass", "twin-regression"])
def test_a_test_set_not_known_at_home_gives_the_bytes_that_it_would_have_given_there(packed, elsewhere, tmp_path, slug):
    """Of vectors that do not train, or a vocabulary of training texts alone: nothing then depends on the test set."""
    paths, weights = elsewhere(slug)
    put(paths.input, other_test(paths.input))
    infer(paths, weights, "cpu")
    again = home_with_other_test(packed, slug, tmp_path)
    assert paths.submission.read_bytes() == again.paths.submission.read_bytes()
    assert len(rows_of(paths.submission)) == 1 + 7 * 8


def test_new_words_have_the_vectors_that_they_would_have_had_at_home(packed, elsewhere, parts, tmp_path, capsys):
    """Though all vectors train, that of a word which only the test set has does not."""
    paths, weights = elsewhere("twin-binary")
    put(paths.input, other_test(paths.input))
    infer(paths, weights, "cpu")
    shown = capsys.readouterr().out
    assert "new words: 9" in shown  # zorp, quux and seven blicks
    assert "of the new words 9 have vectors in the files (9 as written)" in shown
    again = home_with_other_test(packed, "twin-binary", tmp_path)
    found = np.stack(parts["bilstm"])
    ids = read_table(table(again.paths.input, "test")).column("id")
    expected = np.stack(
        [read_predictions(again.paths.fold("bilstm", fold) / "test.safetensors", ids) for fold in (0, 1)]
    )
    assert found == pytest.approx(expected, abs=1e-5)
    (paths.input.parent / "embeddings" / "small.vec").write_text("the 0.5 1 2\nand 1 0.5 2\n", encoding="utf-8")
    infer(paths, weights, "cpu")
    assert "of the new words 0 have vectors in the files (0 as written)" in capsys.readouterr().out
    assert np.abs(np.stack(parts["bilstm"]) - expected).max() > 1e-4


def test_rows_do_not_depend_on_each_other(elsewhere, parts):
    paths, weights = elsewhere("twin-regression")
    test = other_test(paths.input)
    put(paths.input, test)
    infer(paths, weights, "cpu")
    whole = np.stack(parts["bilstm"])
    put(paths.input, test[:5])
    infer(paths, weights, "cpu")
    assert np.stack(parts["bilstm"]) == pytest.approx(whole[:, :4], abs=1e-6)
    assert [row[0] for row in rows_of(paths.submission)[1:]] == [row[0] for row in test[4:0:-1]]


def test_words_without_any_vector_get_one_of_their_own(packed, elsewhere, capsys):
    paths, weights = elsewhere("twin-multilabel")
    put(paths.input, other_test(paths.input))
    infer(paths, weights, "cpu")
    shown = capsys.readouterr()
    assert "new words are <unk> to own: a model of your own keeps" in shown.out
    assert "test.csv: 1 text is empty and will be predicted from no words" in shown.err
    words = (weights / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    root, of_all, new = packed(paths.slug)[0], np.load(weights / "vectors.npy"), (["zorp", "quux"], np.array([2, 1]))
    random = vectors_of(run_of(root, paths.slug), 8, words, new, [])
    paths.embeddings[0].mkdir()
    (paths.embeddings[0] / "wide.vec").write_text("the 1 2 3 4 5 6 7 8\nan 1 1 1 1 1 1 1 2\n", encoding="utf-8")
    trained = run_of(root, paths.slug, "tokens.vectors=wide")
    run = replace(trained, asked=trained.config, paths=paths)
    drawn = vectors_of(run, 8, words, new, vector_sources(run.config.recipe.tokens, paths))
    for vectors in (random, drawn):
        assert vectors.shape == (2, 8)
        assert np.abs(np.concatenate([of_all, vectors[:1]]) - vectors[1]).max(axis=1).min() > 1e-3


def test_members_without_weight_stay_at_home_and_linear_ones_need_no_vectors(packed, elsewhere, tmp_path):
    paths, _ = elsewhere("twin-multiclass")
    shutil.rmtree(paths.embeddings[0])
    root = tmp_path / "weighed"
    shutil.copytree(packed("twin-multiclass")[0], root, ignore=shutil.ignore_patterns("weights"))
    run = run_of(root, "twin-multiclass", "ensemble.weights={cnn = 0, linear = 2}")
    fold_of_row = folds(run)
    for name in ("first", "second"):
        (root / name).mkdir()
        pack_model(run, fold_of_row, root / name)
    files = sorted(path.name for path in (root / "first").iterdir())
    of_linear = [f"linear-fold{fold}{end}" for fold in (0, 1) for end in (".json", ".safetensors")]
    assert files == [*of_linear, "model.json", "vocabulary.txt"]
    assert all((root / "first" / name).read_bytes() == (root / "second" / name).read_bytes() for name in files)
    ensemble(run, fold_of_row)
    infer(paths, root / "first", "cpu")
    assert paths.submission.read_bytes() == run.paths.submission.read_bytes()
    shutil.rmtree(run.paths.fold("linear", 1))
    with pytest.raises(InputError, match="linear/fold1: missing"):
        pack_model(run, fold_of_row, root / "first")


def test_vectors_travel_only_where_new_words_need_them(packed):
    def reads(slug: str, more: int = 0) -> bool:
        manifest = open_manifest(packed(slug)[1], slug)
        return reads_vectors(manifest, [""] * (2 + more))

    full = Tokens().max_size
    assert reads("twin-binary", full - 1)
    assert not reads("twin-binary", full)
    assert not reads("twin-regression")  # words of the training texts alone


def test_the_kernel_of_a_linear_member_says_what_it_holds(packed, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(packed("twin-multiclass")[0], tmp_path / "weighed", ignore=shutil.ignore_patterns("weights"))
    run = run_of(tmp_path / "weighed", "twin-multiclass", "ensemble.weights={cnn = 0, linear = 2}")
    build_kernel(run, KernelOptions(infer=True, user="ada"))
    script, dataset = (run.paths.output / name for name in ("kernel-infer/kernel.py", "kernel-infer-dataset"))
    text = " ".join(script.read_text().partition("SLUG =")[0].split())
    assert "predicts it with folds trained at home (2 of linear) and writes" in text
    assert not (dataset / "small.vec").exists()

    secret = json.loads((dataset / "model.json").read_text())["parts"]["vocabulary.txt"]["sha256"]
    monkeypatch.setenv("KAGGLE_KEY", secret)
    before = script.read_bytes()
    with pytest.raises(InputError, match=r"^model.json: holds your Kaggle credentials") as refused:
        build_kernel(run, KernelOptions(infer=True, user="ada"))
    assert secret not in str(refused.value)
    assert script.read_bytes() == before


def test_folds_that_a_time_budget_left(packed, elsewhere, tmp_path):
    paths, _ = elsewhere("twin-regression")
    shutil.copytree(packed("twin-regression")[0], tmp_path / "short", ignore=shutil.ignore_patterns("weights"))
    run = replace(run_of(tmp_path / "short", "twin-regression"), budget=parse_budget("1h"))
    shutil.rmtree(run.paths.fold("bilstm", 0))
    fold_of_row = folds(run)
    ensemble(run, fold_of_row)
    (tmp_path / "weights").mkdir()
    pack_model(run, fold_of_row, tmp_path / "weights")
    infer(paths, tmp_path / "weights", "cpu")
    assert paths.submission.read_bytes() == run.paths.submission.read_bytes() != packed("twin-regression")[2]


def test_what_a_worker_process_is_sent_and_sends_arrives(packed, elsewhere, monkeypatch):
    def work(job, report):
        own = pickle.loads(pickle.dumps(job))
        infer_job.predict_job(own, lambda event: report(pickle.loads(pickle.dumps(event))))

    monkeypatch.setattr(module, "predict_job", work)
    paths, weights = elsewhere("twin-regression")
    infer(paths, weights, "cpu")
    assert paths.submission.read_bytes() == packed("twin-regression")[2]


def change(folder: Path, **values) -> None:
    """Other values in a model.json, as if it had been packed so."""
    content = json.loads((folder / "model.json").read_text())
    content.pop("checksum", None)
    write_checked(folder / "model.json", {**content, **values})


def test_a_number_format_that_this_machine_has_not(packed, elsewhere, tmp_path, monkeypatch, capsys):
    """Here the home run was in fp32, so that the same bytes prove the format that was taken instead."""
    paths, weights = elsewhere("twin-regression")
    shutil.copytree(weights, tmp_path / "weights")
    members = json.loads((weights / "model.json").read_text())["members"]
    for fold in members["bilstm"]["folds"]:
        fold["precision"] = "bf16"
    change(tmp_path / "weights", members=members)
    monkeypatch.setattr(machine, "why_not", lambda *_: "the processor cannot run an LSTM in it")
    infer(paths, tmp_path / "weights", "cpu")
    assert "trained in bf16; the processor cannot run an LSTM in it: they predict in fp32" in capsys.readouterr().err
    assert paths.submission.read_bytes() == packed("twin-regression")[2]


NAME = "bilstm-fold1.safetensors"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "no model.json; give --weights the folder"),
        (lambda at: (at / "model.json").unlink(), "no model.json; give --weights the folder"),
        (lambda at: (at / "model.json").write_text('{"format": 1'), "model.json: cut short or damaged"),
        (lambda at: (at / "model.json").write_text("[]"), "model.json: cut short or damaged"),
        (
            lambda at: change(at, format=FORMAT + 1),
            f"model.json: format {FORMAT + 1}, and this foldwise reads {FORMAT}",
        ),
        (lambda at: change(at, thresholds="none"), "thresholds = 'none': input should be a valid list"),
        (lambda at: (at / NAME).unlink(), f"{NAME}: missing"),
        (lambda at: (at / NAME).write_bytes((at / NAME).read_bytes()[:-1]), f"{NAME}: [0-9,]+ bytes, not the"),
        (lambda at: shutil.copyfile(at / "bilstm-fold0.safetensors", at / NAME), f"{NAME}: not the file"),
    ],
)
def test_a_folder_that_is_not_whole(elsewhere, tmp_path, damage, message):
    paths, weights = elsewhere("twin-regression")
    shutil.copytree(weights, tmp_path / "weights")
    damage(tmp_path / "weights")
    with pytest.raises(InputError, match=message):
        infer(paths, tmp_path / "weights", "cpu")
    assert not paths.output.exists()


def test_what_does_not_belong_to_the_weights(elsewhere, tmp_path):
    paths, weights = elsewhere("twin-binary")
    with pytest.raises(InputError, match="weights of 'twin-binary', and -c says 'other'"):
        infer(resolve("other", paths.input.parent, None, None), weights)
    small = paths.embeddings[0] / "small.vec"
    small.write_text("zorp 1 2\n")
    put(paths.input, other_test(paths.input))
    with pytest.raises(InputError, match=r"small.vec: vectors of 2 numbers where the weights were trained with 3"):
        infer(paths, weights)
    small.unlink()
    message = r"only this test set has need the vectors .*recipe.tokens.vectors = 'small': no small.txt"
    with pytest.raises(InputError, match=message):
        infer(paths, weights)
    assert not paths.output.exists()
    paths, weights = elsewhere("twin-multilabel")
    test = other_test(paths.input)
    put(paths.input, [*test, ["id", "id"]])
    write_rows(table(paths.input, "test"), test)
    with pytest.raises(InputError, match=r"sample_submission.csv: 1 error\n.*id 'id' is not in test.csv"):
        infer(paths, weights)
    shutil.copytree(weights, tmp_path / "weights")
    members = json.loads((weights / "model.json").read_text())["members"]
    members["own"]["own"] = "0" * 16
    change(tmp_path / "weights", members=members)
    with pytest.raises(InputError, match=r"member own: the code of .* is not the one that its weights were trained"):
        infer(paths, tmp_path / "weights")


def test_the_command(packed, cli_here, workspace):
    _, weights, submission = packed("twin-regression")
    shutil.copytree(packed("twin-regression")[0] / "input", workspace / "input", dirs_exist_ok=True)
    output = workspace / "output" / "twin-regression" / "submission.csv"
    shown = cli_here("infer", "-c", "twin-regression", "--weights", str(weights), "--device", "cpu").stdout
    assert output.read_bytes() == submission
    assert "bilstm folds 0, 1 of" in shown
    assert f"made {output} in " in shown.splitlines()[-1]
    refused = cli_here("infer", "-c", "twin-regression", "--weights", str(weights), "--set", "seed=1", code=2)
    assert "No such option: --set" in refused.stderr
    assert "no model.json" in cli_here("infer", "-c", "twin-binary", "--weights", str(workspace), code=2).stderr
