"""`init` finds the column that names images, and what they are like; texts may stand beside them, or be all there is."""

import csv
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foldwise import extensions
from foldwise.data.inspect_images import recipe_for
from foldwise.errors import InputError

CONVNET = {  # of a dozen images
    "model": {"name": "convnet"},
    "training": {"epochs": 60, "learning_rate": 0.003, "r_drop": 0.0, "evaluations_per_epoch": 1, "patience": 30},
    "batches": {"size": 8},
}
TEXTS = [f"{what} {where}" for what in ("red car", "old car", "red bike") for where in ("here", "there", "inside", "")]


def draw(path: Path, size: tuple[int, int] = (12, 10), mode: str = "RGB") -> None:
    """An image whose pixels are of its own name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = sum(str(path).encode()) % 250
    Image.new(mode, size, colour if mode == "L" else (colour, 30, 60)).save(path)


def write(path: Path, columns: dict[str, list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def result(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "competition.toml").read_text(encoding="utf-8"))


def contest(workspace: Path, names: list[str], **columns: list[str]) -> Path:
    """A contest whose rows have these names as `file`, and further columns of train and test."""
    folder, ids = workspace / "input" / "pictures", [f"r{row}" for row in range(len(names))]
    labels = [["cat", "dog"][row % 2] for row in range(len(names))]
    write(folder / "train.csv", {"id": ids, "file": names, **columns, "label": labels})
    write(folder / "test.csv", {"id": ids, "file": names, **columns})
    write(folder / "sample_submission.csv", {"id": ids, "label": ["cat"] * len(names)})
    return folder


@pytest.fixture
def pictures(workspace: Path) -> Path:
    """Twelve rows, of images in train/ and test/ that are called alike."""
    names = [f"{row}.png" for row in range(12)]
    folder = contest(workspace, names)
    for name in names:
        draw(folder / "train" / name)
        draw(folder / "test" / name)
    return folder


def test_a_column_of_file_names(cli_here, pictures):
    shown = cli_here("init", "pictures").stdout
    found = result(pictures)
    assert found["columns"] == {"id": "id", "image": "file", "target": ["label"]}
    assert found["recipe"] == {"images": {"size": [10, 12]}, **CONVNET}
    assert "image  = file: its values name images below " in shown
    assert "size   = 10, 12: height and width, the median of 12 images" in shown
    assert "training.epochs = 60" in shown
    assert "suits a small network of convolutions on 12 images; change it as you like" in shown
    assert "text   = (none): no other column" in shown


def test_texts_beside_the_images_keep_their_members(cli_here, workspace):
    folder = contest(workspace, [f"p/{row}.jpg" for row in range(12)], caption=TEXTS, shop=["a", "b"] * 6)
    for row in range(12):
        draw(folder / "p" / f"{row}.jpg", (300, 6), "L")
    cli_here("init", "pictures")
    found = result(folder)
    assert found["columns"] == {
        "id": "id",
        "text": ["caption"],
        "image": "file",
        "target": ["label"],
        "ignore": ["shop"],
    }
    assert found["recipe"]["images"] == {"size": [8, 64], "channels": 1}
    linear = {"model": {"name": "linear"}}
    assert found["recipe"]["members"] == {"convnet": CONVNET, "bilstm": {}, "linear": linear}


def test_ids_that_name_the_images(cli_here, workspace):
    folder, ids = workspace / "input" / "pictures", [f"{row}f0e" for row in range(9)]
    write(folder / "train.csv", {"image_id": ids[:6], "breed": ["a", "b", "c"] * 2})
    write(folder / "test.csv", {"image_id": ids[6:]})
    write(folder / "sample_submission.csv", {"image_id": ids[6:], "breed": ["a"] * 3})
    for name in ids:
        draw(folder / "images" / f"{name}.JPG")
    cli_here("init", "pictures")
    assert result(folder)["columns"] == {"id": "image_id", "image": "image_id", "target": ["breed"]}


def test_without_a_test_table_the_sample_names_the_images(cli_here, workspace):
    folder, names = workspace / "input" / "pictures", [f"{row}.png" for row in range(12)]
    write(folder / "train.csv", {"image": names[:9], "label": ["a", "b", "c"] * 3})
    write(folder / "sample_submission.csv", {"image": names[9:], "label": ["a"] * 3})
    for name in names:
        draw(folder / "pictures" / name)
    cli_here("init", "pictures")
    found = result(folder)
    assert found["files"] == {"test": "sample_submission"}
    assert found["columns"] == {"id": "image", "image": "image", "target": ["label"]}
    cli_here("all", "-c", "pictures", "--set", "folds.n=2", "--set", "training.epochs=1")
    assert (workspace / "output" / "pictures" / "submission.csv").is_file()


def test_folders_that_are_no_classes_are_explained(cli_here, workspace):
    draw(workspace / "input" / "pictures" / "cats" / "1.png")
    assert "images in a folder for each class into train/CLASS/" in cli_here("init", "pictures", code=2).stderr


def test_two_columns_of_images_are_a_question(cli_here, workspace):
    names = [f"{row}.png" for row in range(12)]
    folder = contest(workspace, names, mask=[f"m{name}" for name in names])
    for name in names:
        draw(folder / "all" / name)
        draw(folder / "masks" / f"m{name}")
    assert "--image file or --image mask" in cli_here("init", "pictures", code=2).stderr
    cli_here("init", "pictures", "--image", "mask")
    columns = result(folder)["columns"]
    assert (columns["image"], columns["ignore"], columns.get("text")) == ("mask", ["file"], None)


def test_images_that_are_not_there(cli_here, pictures):
    (pictures / "train" / "3.png").unlink()
    (pictures / "train" / "7.png").unlink()
    message = cli_here("init", "pictures", code=2).stderr
    assert message.startswith(
        f"error: {pictures / 'train.csv'}: 2 errors\n"
        f"  column file: '3.png': no such image below {pictures}; put it there, into any folder, or correct the name\n"
        f"  column file: '7.png': no such image below {pictures}; put it there, into any folder, or correct the name\n"
    )
    for path in pictures.glob("*/*.png"):
        path.unlink()
    message = cli_here("init", "pictures", code=2).stderr
    assert "column 'file' names images ('0.png'), none is below" in message
    assert not (pictures / "competition.toml").exists()
    contest(pictures.parents[1], [f"{row}.png" for row in range(12)], caption=TEXTS)
    cli_here("init", "pictures")
    assert result(pictures)["columns"] == {"id": "id", "text": ["caption"], "target": ["label"], "ignore": ["file"]}


def test_pictures_beside_a_contest_of_texts_change_nothing(cli_here, workspace):
    folder = workspace / "input" / "twin-binary"
    cli_here("init", "twin-binary", "--force", "--metric", "f1")
    before = result(folder)
    draw(folder / "figures" / "plan.png")
    cli_here("init", "twin-binary", "--force", "--metric", "f1")
    assert result(folder) == before


def test_texts_need_no_code_for_images(cli_here, pictures, monkeypatch):
    def gone(spec: str, name: str) -> Any:
        if spec.startswith("foldwise.images."):
            raise InputError(f"{name}: not part of this checkout")
        return extensions.load_extension(spec, name)

    for module in ("foldwise.data.inspect_images", "foldwise.stages.init"):
        monkeypatch.setattr(f"{module}.load_extension", gone)
    cli_here("init", "twin-binary", "--force", "--metric", "f1")
    (pictures / "train.csv").unlink()
    for name in ("cat", "dog"):
        draw(pictures / "train" / name / "1.png")
    message = cli_here("init", "pictures", code=2).stderr
    assert message == f"error: {pictures}/train/CLASS/: not part of this checkout\n"


@given(st.integers(2, 10**6))
def test_few_images_are_seen_in_smaller_batches_and_more_often(rows):
    found = recipe_for(rows)
    size, epochs = found["batches.size"], found["training.epochs"]
    assert 8 <= size <= 64
    assert (size == 64) == (rows >= 1600)
    assert 20 <= epochs <= 60
    assert epochs * rows / size >= 500 or epochs == 60
    assert found["training.patience"] / epochs == pytest.approx(0.5 if rows < 600 else 0.3, abs=0.05)
