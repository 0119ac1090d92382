"""The real command line on a GPU: folds side by side, one alone, a packed bundle, and kernels as Kaggle runs them."""

import json
from pathlib import Path

import pytest

from conftest import REPOSITORY
from encoders.tiny import make_encoder
from kaggle_service.kaggle_tree import lay_out, run_alone

SLUG = "twin-binary"


def weights_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".safetensors", ".csv")}


def test_a_fold_alone_has_the_bytes_of_folds_side_by_side(cli, workspace):
    """One epoch of a real competition, since small ones train in one process."""
    (workspace / "input" / "movie-reviews").symlink_to(REPOSITORY / "input" / "movie-reviews")
    (workspace / "input" / "embeddings").symlink_to(REPOSITORY / "input" / "embeddings")
    settings = ("-c", "movie-reviews", "--set", "training.epochs=1", "--set", 'ensemble.members=["bilstm"]')
    shown = cli("all", *settings).stdout
    assert "on cuda" in shown
    output = workspace / "output" / "movie-reviews"
    assert json.loads((output / "summary.json").read_text())["device"].startswith("cuda")
    for fold in (0, 4):
        before = weights_of(output / "bilstm" / f"fold{fold}")
        cli("train", *settings, "--fold", str(fold), "--force")
        assert weights_of(output / "bilstm" / f"fold{fold}") == before


@pytest.mark.parametrize("slug", ["twin-binary", "twin-multiclass", "twin-multilabel", "twin-regression"])
def test_every_task_and_its_bundle(cli_here, workspace, slug):
    assert "on cuda" in cli_here("all", "-c", slug).stdout
    submission = (workspace / "output" / slug / "submission.csv").read_bytes()
    cli_here("kernel", "build", "-c", slug, "--infer", "--user", "ada")
    (workspace / "output" / slug / "submission.csv").unlink()
    cli_here("infer", "-c", slug, "--weights", str(workspace / "output" / slug / "kernel-infer-dataset"))
    assert (workspace / "output" / slug / "submission.csv").read_bytes() == submission


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_a_kernel_alone(cli_here, workspace, tmp_path, mode):
    cli_here("all", "-c", SLUG)
    at_home = (workspace / "output" / SLUG / "submission.csv").read_bytes()
    cli_here("kernel", "build", "-c", SLUG, "--user", "ada", *(["--infer"] if mode == "infer" else []))
    name = "kernel-infer" if mode == "infer" else "kernel"
    built, kind = workspace / "output" / SLUG / name, "model" if mode == "infer" else "vectors"
    dataset = built.with_name(f"{name}-dataset")
    datasets = {f"ada/foldwise-{SLUG}-{kind}": dataset} if dataset.is_dir() else {}
    working = lay_out(tmp_path / "kaggle", workspace / "input" / SLUG, SLUG, datasets)
    done = run_alone(built / "kernel.py", working)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (working / "submission.csv").read_bytes() == at_home


def test_an_encoder_is_trained_with_the_same_bytes_each_time(cli_here, workspace):
    pytest.importorskip("transformers")
    make_encoder(workspace / "input" / "encoders" / "tiny")
    with (workspace / "input" / SLUG / "competition.toml").open("a") as file:
        file.write(
            '\n[recipe.members.frozen]\nmodel.name = "encoder"\nencoder.path = "tiny"\n[recipe.members.full]\n'
            'model.name = "encoder"\nencoder = { path = "tiny", train = "full", epochs = 2 }\n'
        )
    submissions = []
    for force in ([], ["--force"]):
        cli_here("all", "-c", SLUG, *force)
        submissions.append((workspace / "output" / SLUG / "submission_probabilities.csv").read_bytes())
    assert submissions[0] == submissions[1]
