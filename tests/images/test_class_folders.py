"""Images in a folder a class become tables, which `init` reads like any others."""

from pathlib import Path

import pytest

from images.test_init_images import CONVNET, draw, read, result, write


@pytest.fixture
def folder(workspace: Path) -> Path:
    """Two classes of four images, and three to predict."""
    place = workspace / "input" / "pictures"
    for name in ("7", "3"):
        for row in range(4):
            draw(place / "train" / name / f"{row}.png", (8, 8), "L")
    for row in range(3):
        draw(place / "test" / f"{row}.png", (8, 8), "L")
    return place


def test_a_folder_a_class(cli_here, folder):
    shown = cli_here("init", "pictures").stdout
    assert read(folder / "train.csv")[:2] == [["id", "file", "label"], ["3/0", "train/3/0.png", "3"]]
    assert read(folder / "test.csv") == [["id", "file"], *([str(row), f"test/{row}.png"] for row in range(3))]
    assert read(folder / "sample_submission.csv") == [["id", "label"], ["0", "3"], ["1", "3"], ["2", "3"]]
    found = result(folder)
    assert found["competition"]["task"] == "multiclass"  # whatever numbers the folders are called by
    assert found["columns"] == {"id": "id", "image": "file", "target": ["label"]}
    assert found["recipe"] == {"images": {"size": [8, 8], "channels": 1}, **CONVNET}
    assert "8 images to learn from, 3 to predict, 2 classes: '3', '7'" in shown


def test_what_is_in_folders_is_a_class_or_said_to_be_left_out(cli_here, folder):
    draw(folder / "train" / 'a, "b"' / "deep er" / "WhatsApp Image 2024-01-01 at 10.00.00.jpeg")
    draw(folder / "train" / "3" / "0.webp")
    draw(folder / "train" / "loose.png")
    draw(folder / "train" / "3" / ".hidden.png")
    draw(folder / "train" / "3" / "__MACOSX" / "0.png")
    (folder / "train" / "3" / "notes.txt").write_text("x")
    shown = cli_here("init", "pictures", code=0)
    left = "2 files left out, which are no images by their endings or in no folder of a class"
    assert f"{left}: '3/notes.txt', 'loose.png'" in shown.stderr
    rows = read(folder / "train.csv")
    assert [row[0] for row in rows if row[2] == "3"] == ["3/0.png", "3/0.webp", "3/1", "3/2", "3/3"]
    assert rows[-1][2] == 'a, "b"'
    assert len(rows) == 11


def test_tables_that_init_wrote_are_written_anew_with_force_alone(cli_here, folder):
    cli_here("init", "pictures")
    draw(folder / "train" / "7" / "new.png")
    draw(folder / "test" / "new.png")
    (folder / "competition.toml").unlink()
    cli_here("init", "pictures")
    assert len(read(folder / "train.csv")) == 9
    cli_here("init", "pictures", "--force")
    assert [len(read(folder / f"{name}.csv")) for name in ("train", "test", "sample_submission")] == [10, 5, 5]
    own = {"id": ["b", "a"], "file": ["test/new.png", "test/0.png"]}
    write(folder / "test.csv", own)
    write(folder / "sample_submission.csv", {"id": ["a", "b"], "label": ["7", "3"]})
    cli_here("init", "pictures", "--force")
    assert read(folder / "test.csv")[1] == ["b", "test/new.png"]
    assert read(folder / "sample_submission.csv")[1] == ["a", "7"]


def test_a_table_of_test_images(cli_here, folder):
    write(folder / "test.csv", {"image": ["0.png"]})
    assert "no column 'file'; there are 'image'" in cli_here("init", "pictures", code=2).stderr
    assert not (folder / "train.csv").exists()
    write(folder / "test.csv", {"id": ["x"], "file": ["0.png"]})
    cli_here("init", "pictures")
    assert read(folder / "sample_submission.csv") == [["id", "label"], ["x", "3"]]


def test_ids_are_as_the_contest_has_them(cli_here, folder):
    write(folder / "sample_submission.csv", {"file": ["2.png", "0.png", "1.png"], "species": ["3"] * 3})
    cli_here("init", "pictures")
    assert read(folder / "test.csv")[:2] == [["file", "path"], ["0.png", "test/0.png"]]
    assert result(folder)["columns"] == {"id": "file", "image": "path", "target": ["label"]}


def test_what_is_missing(cli_here, folder):
    for path in (folder / "test").iterdir():
        path.unlink()
    message = cli_here("init", "pictures", code=2).stderr
    assert message == (
        f"error: {folder}: no images to predict; put them into {folder}/test/, or a table test.csv with the columns "
        "id and file beside it\n"
    )
    for path in (folder / "train" / "7").iterdir():
        path.rename(path.with_suffix(".txt"))
    assert "only '3' has images; at least two are needed" in cli_here("init", "pictures", code=2).stderr
    for path in (folder / "train" / "3").iterdir():
        path.rename(path.with_suffix(".txt"))
    assert "no table 'train'" in cli_here("init", "pictures", code=2).stderr


def test_a_kernel_says_what_kaggle_lacks(cli_here, folder):
    cli_here("init", "pictures")
    said = cli_here("kernel", "build", "-c", "pictures", "--user", "me")
    assert "Kaggle has the folders alone" in said.stderr
    assert "that it needs" not in said.stdout  # no word vectors
