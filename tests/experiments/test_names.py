import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from conftest import command, environment
from experiments.conftest import SLUG, settings
from foldwise.errors import InputError
from foldwise.experiments.names import name_paths
from foldwise.inference.model import Model
from foldwise.lock import lock, only_writer
from foldwise.paths import resolve
from forked import start_programs
from reliability.in_process import results

EVERYTHING = ("*/fold*/*.safetensors",)


def test_a_name_changes_the_place_and_no_byte(foldwise, output):
    foldwise("all", "--force", *settings("both"))
    named = results(output / "experiments" / "both", *EVERYTHING)
    assert len(named) > 10
    assert results(output, *EVERYTHING) == named
    assert not (output / "tokens").is_symlink()
    assert "kept submission.csv" in foldwise("all", "--name", "both", *settings("both"))
    assert "kept submission.csv" in foldwise("all", *settings("both"))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a.b", "a/b", "-a", "a b", "a\n", "a\x1b", "a\udcff", "x" * 101, "tokens", "unnamed"]
)
def test_what_is_no_name(name, tmp_path):
    with pytest.raises(InputError, match="--name"):
        name_paths(resolve(SLUG, tmp_path, None, tmp_path), name)


def test_a_name_in_another_script_and_one_that_is_none(foldwise, output):
    foldwise("folds", "--experiment", "深い_2")
    assert (output / "experiments" / "深い_2" / "folds.json").is_file()
    assert foldwise("all", "--name", "a/b", code=2).startswith("error: --name 'a/b': a name, such as deep-3, has")
    (output / "experiments" / "file").write_text("")
    assert "a file, where a folder must be" in foldwise("folds", "--name", "file", code=2)


def test_what_is_written_elsewhere_is_checked_again(tmp_path):
    paths = resolve(SLUG, tmp_path, None, tmp_path)
    inside = replace(paths, handed_in=paths.output / "experiments" / "a" / "oof.csv")
    with pytest.raises(InputError, match="inputs or other results lie there"):
        name_paths(inside, "a")


def test_a_member_cannot_take_the_folder_of_the_experiments(foldwise):
    assert "may have letters" in foldwise("all", "--set", "members.experiments.model.layers=2", code=2)


def test_debug_is_apart_also_of_a_named_run(foldwise, output):
    before = results(output / "experiments" / "net", *EVERYTHING)
    foldwise("tokens", "--name", "net", "--debug")
    foldwise("folds", "--name", "net", "--debug")
    apart = output.with_name(f"{SLUG}-debug") / "experiments"
    assert sorted(path.name for path in apart.iterdir()) == ["net", "tokens"]
    assert (apart / "net" / "folds.csv").is_file()
    assert results(output / "experiments" / "net", *EVERYTHING) == before


def test_hints_say_the_name(foldwise):
    assert "run --name new` with the same" not in foldwise("ensemble", "--name", "new", code=2)
    foldwise("tokens", "--name", "new")
    message = foldwise("ensemble", "--name", "new", code=2)
    assert f"run `./run.sh train -c {SLUG}" in message
    assert "--name new` with the same --set options" in message


def test_a_finished_run_remembers_what_was_set(foldwise, output):
    kept = results(output / "experiments" / "net", *EVERYTHING)
    shown = foldwise("all", "--name", "net")
    assert f"net: {shlex.join(settings('net'))}, as it was made" in shown
    assert "kept submission.csv" in shown
    assert results(output / "experiments" / "net", *EVERYTHING) == kept
    assert "as it was made" in foldwise("describe", "--name", "net")
    assert "net: without --set training.epochs=1 --set 'ensemble" in foldwise(
        "tokens", "--name", "net", "--set", "seed=7"
    )
    shown = foldwise("all", "--name", "net", "--seed", "7")
    assert "--set training.epochs=1" in shown
    assert "recipe.seed 0 → 7" in shown
    assert "epochs 1 →" not in shown


def test_what_was_set_is_asked_for_where_a_summary_is_damaged(foldwise, output):
    (output / "experiments" / "net" / "summary.json").write_text("garbage")
    shown = foldwise("tokens", "--name", "net")
    assert "net: " in shown
    assert "give the --set options again that it was made with" in shown


def test_tokens_are_there_once(foldwise, output):
    experiments = output / "experiments"
    (shared,) = [path for path in (experiments / "tokens").iterdir() if path.is_dir()]
    links = [experiments / name / "tokens" for name in ("net", "lin", "both")]
    assert {link.resolve() for link in links} == {shared.resolve()}
    assert not any(link.readlink().is_absolute() for link in links)
    before = {path: path.stat().st_ino for path in shared.iterdir()}
    assert "kept 425 tokens" in foldwise("tokens", "--name", "net", "--force")
    foldwise("tokens", "--name", "other", "--set", "tokens.case=keep")
    assert {path: path.stat().st_ino for path in shared.iterdir()} == before
    assert (experiments / "other" / "tokens").resolve() != shared.resolve()
    foldwise("tokens", "--name", "other")
    assert (experiments / "other" / "tokens").resolve() == shared.resolve()


def test_shared_tokens_that_are_damaged_or_gone_are_made_again(foldwise, output):
    shared = (output / "experiments" / "net" / "tokens").resolve()
    whole = (shared / "tokens.npy").read_bytes()
    (shared / "tokens.npy").write_bytes(whole[:-1])
    assert "tokens.npy is damaged" in foldwise("tokens", "--name", "lin")
    assert (shared / "tokens.npy").read_bytes() == whole
    shutil.rmtree(shared)
    assert "there were none" in foldwise("tokens", "--name", "net")
    assert (output / "experiments" / "lin" / "tokens" / "tokens.npy").read_bytes() == whole
    assert "kept submission.csv" in foldwise("all", "--name", "lin", *settings("lin"))


def test_tokens_of_its_own_stay_where_an_experiment_was_copied_with_them(foldwise, output):
    copied = output / "experiments" / "copied"
    shutil.copytree(output / "experiments" / "net", copied)
    assert "kept submission.csv" in foldwise("all", "--name", "copied", *settings("net"))
    assert not (copied / "tokens").is_symlink()


def test_whoever_needs_tokens_that_another_run_makes_waits(trained, output):
    shared = (output / "experiments" / "net" / "tokens").resolve()
    line = command(trained, "tokens", "--name", "late", "-c", SLUG)
    with lock(shared.with_name(f".{shared.name}.lock"), 0.0, "", ""):
        process = subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, text=True)
        assert process.stdout
        said = [process.stdout.readline() for _ in range(2)]
        assert f"another run makes {shared}" in said[1]
        assert said[1].endswith("; it is waited for\n")
        assert process.poll() is None
    assert "kept 425 tokens" in process.communicate()[0]
    assert process.returncode == 0


def test_two_started_at_once_make_the_tokens_once(trained, output):
    shutil.rmtree(output / "experiments")
    lines = [command(trained, "tokens", "--name", name, "-c", SLUG) for name in ("one", "two")]
    codes, said = zip(*(program.end() for program in start_programs(*lines)), strict=True)
    assert codes == (0, 0), said
    assert sorted("there were none" in text for text in said) == [False, True]
    assert sorted("kept 425 tokens" in text for text in said) == [False, True]


def test_one_run_at_a_time_writes_to_an_experiment(foldwise, output):
    with only_writer(output / "experiments" / "net"):
        assert f"another run writes to {output / 'experiments' / 'net'}" in foldwise("tokens", "--name", "net", code=1)
        foldwise("tokens", "--name", "lin")
        foldwise("tokens")


def test_a_run_sweeps_only_what_is_its_own(foldwise, output):
    experiments = output / "experiments"
    dead = [
        folder / ".thing.tmp4194303-1"
        for folder in (output, experiments / "net", experiments / "lin", experiments / "tokens")
    ]
    for path in dead:
        path.write_text("half")
    foldwise("folds")
    assert [path.exists() for path in dead] == [False, True, True, True]
    foldwise("folds", "--name", "net")
    assert [path.exists() for path in dead] == [False, False, True, True]


def test_earlier_weights_may_be_of_an_experiment(foldwise, output):
    start = output / "experiments" / "net" / "bilstm"
    said = foldwise("all", "--name", "more", *settings("net"), "--set", f"training.start_from={start}")
    assert "starts from" in said
    assert "vectors of 252 of 252 words" in said


def test_a_kernel_of_an_experiment_lies_in_its_folder(foldwise, output):
    said = foldwise("kernel", "build", "--experiment", "net", "--user", "ada", "--name", "my-kernel", *settings("net"))
    assert (output / "experiments" / "net" / "kernel" / "kernel.py").is_file()
    assert f"next: ./run.sh kernel push -c {SLUG} --experiment net --output {output.parent}" in said


def test_vectors_read_once_are_of_all_experiments(tmp_path):
    paths = resolve(SLUG, tmp_path, None, Path(tmp_path))
    assert name_paths(paths, "a").vector_cache == paths.vector_cache


def test_an_experiment_predicts(foldwise, output, trained):
    test, out = trained / "input" / SLUG / "test.csv", trained / "out.csv"
    folder = output / "experiments" / "net"
    expected = pd.read_csv(folder / "submission_probabilities.csv", index_col=0)["prediction"].to_dict()
    for options in (["--name", "net"], ["--weights", str(folder)]):
        foldwise("predict", str(test), "--proba", "--device", "cpu", "--out", str(out), *options)
        assert pd.read_csv(out, index_col=0)["prediction"].to_dict() == pytest.approx(expected, abs=1e-6)
    rows = pd.read_csv(test, dtype=str, keep_default_na=False)
    found = Model.load(folder, input=trained / "input", device="cpu").predict(rows, proba=True)[:, 0]
    assert sorted(found) == pytest.approx(sorted(expected.values()), abs=1e-6)
    assert not (output / "experiments" / ".vectors").exists()
    assert "'nett': no such experiment of twin-binary; did you mean net?" in foldwise(
        "predict", str(test), "--name", "nett", code=2
    )
