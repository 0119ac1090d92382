"""Contests of images through the real command line."""

import csv
import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import command, environment
from foldwise.errors import RunError
from foldwise.training import state
from foldwise.training.loop import StepCounter
from images.contest import SLUG, make_contest, make_pictures, write_rows

HERE = ("-c", SLUG)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Nothing yet."""
    return tmp_path


def summary(root: Path) -> dict[str, Any]:
    """What the run says of itself."""
    return json.loads((root / "output" / SLUG / "summary.json").read_text())


def made(root: Path) -> dict[str, bytes]:
    """What must be the same bytes."""
    folder = root / "output" / SLUG
    patterns = ("submission.csv", "oof.csv", "*/fold*/*.safetensors")
    return {str(path.relative_to(root)): path.read_bytes() for pattern in patterns for path in folder.glob(pattern)}


@pytest.mark.parametrize(("task", "text", "least"), [("multiclass", False, 0.9), ("binary", True, 0.95)])
def test_from_files_to_a_submission_that_has_learnt_something(cli_here, workspace, task, text, least):
    make_contest(workspace, task, text, epochs=12)
    said = cli_here("all", *HERE).stdout
    assert "convnet: made 58 images of 12 × 12, 0.0 MB" in said
    assert ("there are no texts to split" in said) is not text
    assert summary(workspace)["ensemble"]["cv"] >= least
    kept = cli_here("all", *HERE).stdout
    assert "kept convnet folds 0, 1" in kept
    page = cli_here("report", *HERE).stdout
    assert "wrote" in page
    page = (workspace / "output" / SLUG / "report.html").read_text()
    shown = page.count('src="data:image/jpeg;base64,')
    assert shown > len(list((workspace / "input" / SLUG / "train_images").iterdir()))  # among the worst, and by class
    for of_texts in ("Nearest: by TF-IDF", "telling words", "by length in words"):
        assert (of_texts in page) is text, of_texts


def test_values_of_a_regression_are_learnt(cli_here, workspace):
    make_contest(workspace, "regression", epochs=12)
    cli_here("all", *HERE)
    assert summary(workspace)["ensemble"]["cv"] < 0.35  # 0.5 by a constant


def test_text_members_stand_beside_it_and_say_where_they_cannot(cli_here, workspace):
    folder = make_contest(workspace, text=True, epochs=1)
    config = (folder / "competition.toml").read_text().replace('model.name = "convnet"\n', "")
    members = '[recipe.members.convnet]\nmodel.name = "convnet"\n[recipe.members.linear]\nmodel.name = "linear"\n'
    (folder / "competition.toml").write_text(config + members)
    cli_here("all", *HERE)
    assert [member["name"] for member in summary(workspace)["members"]] == ["convnet", "linear"]
    (folder / "competition.toml").write_text(config.replace('text = ["caption"]\n', "") + members)
    assert "it reads texts, and competition.toml names no column" in cli_here("all", *HERE, code=2).stderr


def test_another_picture_of_the_same_name_makes_its_folds_anew(cli_here, workspace):
    folder = make_contest(workspace, epochs=1)
    cli_here("all", *HERE)
    changed = next(iter(sorted((folder / "train_images").iterdir())))
    with Image.open(changed) as picture:
        upside_down = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    upside_down.save(changed)
    said = cli_here("all", *HERE).stdout
    assert "convnet: made 58 images" in said
    assert "images changed" in said
    assert "convnet folds 0, 1: tokens changed" in said


@pytest.mark.parametrize("text", [False, True])
def test_the_same_picture_twice_shares_a_fold(cli_here, workspace, text):
    folder = make_contest(workspace, text=text, epochs=1)
    if text:  # captions differ
        path = folder / "train.csv"
        lines = [
            line.replace("something", f"thing {number}") for number, line in enumerate(path.read_text().splitlines())
        ]
        path.write_text("\n".join(lines))
    pictures = sorted((folder / "train_images").iterdir())
    for copy in pictures[1:20]:
        shutil.copyfile(pictures[0], copy)
    cli_here("folds", *HERE)
    with (workspace / "folds" / f"{SLUG}.csv").open() as file:
        folds = [row["fold"] for row in csv.DictReader(file)]
    assert len(set(folds[:20])) == 1


@pytest.mark.parametrize("cache", ["always", "never"])
def test_a_run_that_was_cut_off_ends_with_the_same_bytes(cli_here, workspace, monkeypatch, cache):
    make_contest(workspace, epochs=3)
    changes = '["flip", "crop", "rotate", "colour", "cutout", "mixup"]'
    command = ("all", *HERE, "--set", f"images.augment={changes}", "--set", f"images.cache={cache}")
    monkeypatch.setattr(state, "SHARE", 1e9)  # saved after each evaluation
    cli_here(*command)
    whole = made(workspace)
    shutil.rmtree(workspace / "output")
    left = 5  # steps; an epoch has 3

    def count(_: StepCounter) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise RunError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(StepCounter, "count", count)
        cli_here(*command, code=1)
    said = cli_here(*command).stdout
    assert "goes on" in said
    assert made(workspace) == whole


def test_killed_in_training_it_goes_on_to_the_same_bytes(cli_here, workspace):
    folder = make_contest(workspace, epochs=30)
    with (folder / "competition.toml").open("a") as file:
        file.write('images.cache = "never"\ntraining.patience = 99\n')
    line = command(workspace, "all", *HERE)
    with subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        for said in process.stdout or []:
            if "fold 1: epoch 10" in said:
                process.kill()
                break
    assert process.returncode == -signal.SIGKILL
    assert "kept convnet fold 0" in cli_here("all", *HERE).stdout
    after = made(workspace)
    shutil.rmtree(workspace / "output")
    cli_here("all", *HERE)
    assert made(workspace) == after


def test_kept_or_read_again_the_bytes_are_the_same(cli_here, workspace):
    make_contest(workspace, epochs=2)
    found = []
    for cache in ("always", "never"):
        cli_here("all", *HERE, "--set", f"images.cache={cache}", "--force")
        found.append(made(workspace))
        assert (workspace / "output" / SLUG / "convnet" / "tokens" / "pixels.npy").exists() == (cache == "always")
    assert found[0] == found[1]


def test_damaged_and_missing_files_are_named_before_anything_trains(cli_here, workspace):
    folder = make_contest(workspace, epochs=1)
    pictures = sorted((folder / "train_images").iterdir())
    pictures[3].write_bytes(pictures[3].read_bytes()[:60])
    pictures[5].write_bytes(b"")
    said = cli_here("all", *HERE, code=2).stderr
    assert "2 of 58 images cannot be read" in said
    assert all(pictures[number].name in said for number in (3, 5))
    assert "2 of 58 images cannot be read" in cli_here("all", *HERE, "--set", "images.cache=never", code=2).stderr
    pictures[3].unlink()
    said = cli_here("all", *HERE, code=2).stderr
    assert pictures[3].name in said
    assert not list((workspace / "output" / SLUG).glob("convnet/fold*"))


def test_trained_folds_predict_new_pictures_and_travel(cli_here, workspace):
    make_contest(workspace, epochs=12)
    cli_here("all", *HERE)
    names, labels = make_pictures(workspace / "new", 8, seed=5)
    write_rows(workspace / "new" / "table.csv", ["id", "file"], [[i, name] for i, name in enumerate(names)])
    out = workspace / "found.csv"
    cli_here("predict", *HERE, str(workspace / "new" / "table.csv"), "--out", str(out))
    with out.open() as file:
        found = [row["label"] for row in csv.DictReader(file)]
    assert np.mean(np.array(found) == np.array(["left", "right"])[labels]) >= 0.75
    listed = "\n".join(str(workspace / "new" / name) for name in names)
    line = command(workspace, "predict", *HERE)
    done = subprocess.run(line, env=environment(), input=listed, capture_output=True, text=True, check=True)
    rows = [(row["id"], row["label"]) for row in csv.DictReader(done.stdout.splitlines())]
    assert rows == list(zip(listed.splitlines(), found, strict=True))
    assert "took convnet folds 0, 1 over" in cli_here("all", *HERE, "--name", "again").stdout  # and has no tokens
    cli_here("predict", *HERE, "--name", "again", str(workspace / "new" / "table.csv"), "--out", f"{out}.again")
    assert Path(f"{out}.again").read_bytes() == out.read_bytes()
    cli_here("kernel", "build", *HERE, "--infer")
    weights = next((workspace / "output" / SLUG).glob("kernel-infer-dataset"))
    expected = (workspace / "output" / SLUG / "submission.csv").read_bytes()
    cli_here("infer", *HERE, "--weights", str(weights))
    assert (workspace / "output" / SLUG / "submission.csv").read_bytes() == expected


def test_code_of_ones_own_sees_and_changes_images(cli_here, workspace, monkeypatch):
    make_contest(workspace, epochs=1)
    (workspace / "mine_images.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, out):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(144, out), nn.ReLU())\n"
        "def upside_down(image):\n"
        "    return image.flip(1)\n"
        "def smaller(image):\n"
        "    return image[:, ::2]\n"
    )
    monkeypatch.syspath_prepend(str(workspace))
    own = ("--set", 'images.backbone="mine_images:Net"', "--set", "images.arguments={ out = 9 }")
    cli_here("all", *HERE, *own, "--set", 'images.transform="mine_images:upside_down"')
    shown = cli_here("describe", *HERE, *own).stdout
    assert "3×144 → 3×9" in shown
    said = cli_here("all", *HERE, *own, "--set", 'images.transform="mine_images:smaller"', code=2).stderr
    assert "images.transform = 'mine_images:smaller'" in said
    assert "not uint8 of (1, 12, 12)" in said
    said = cli_here("all", *HERE, "--set", 'images.backbone="mine_images:Nothing"', code=2).stderr
    assert "has no 'Nothing'" in said


def test_what_does_not_fit_is_said_before_anything_is_made(cli_here, workspace):
    make_contest(workspace, epochs=1)
    mixed = ("--set", 'images.augment=["mixup"]', "--set", "training.loss=focal")
    said = cli_here("all", *HERE, *mixed, code=2).stderr
    assert "recipe.training.loss = 'focal': it takes numbers of classes" in said
    assert not list((workspace / "output").rglob("images.json"))


def test_kept_images_follow_the_setting_and_moved_ones_are_found(cli_here, workspace):
    folder = make_contest(workspace, epochs=1)
    kept = workspace / "output" / SLUG / "convnet" / "tokens" / "pixels.npy"
    cli_here("all", *HERE, "--set", "images.cache=never")
    assert not kept.exists()
    (folder / "train_images").rename(folder / "train_pictures")
    cli_here("all", *HERE, "--set", "images.cache=never")
    cli_here("all", *HERE, "--set", "images.cache=always")
    assert kept.exists()


def test_recipes_are_searched(cli_here, workspace):
    folder = make_contest(workspace, epochs=1)
    with (folder / "competition.toml").open("a") as file:
        file.write("[search]\nimages.width = [4, 8]\n")
    said = cli_here("search", *HERE, "--trials", "2", "--search-folds", "0").stdout
    assert "images.width" in said
    assert (workspace / "output" / SLUG / "search" / "search.json").is_file()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("images.stages=6", "images.stages = 6: too few of 12 pixels are left"),
        ('images.weights="x.safetensors"', "'x.safetensors' is for images.backbone, which is not set"),
        ("images.arguments={ a = 1 }", "{'a': 1} is for images.backbone"),
        ("images.size=[100000, 100000]", "too large; give at most 4,096"),
        ('images.backbone="torch.nn:ReLU"', "it must give (2, F) numbers for (2, 1, 12, 12)"),
        ("images.width=12", ""),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(cli_here, workspace, setting, message):
    make_contest(workspace, epochs=1)
    assert message in cli_here("describe", *HERE, "--set", setting, code=2 if message else 0).stderr
