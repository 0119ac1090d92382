"""What cells of the image column may be, and what is said of those that name no image, or several."""

import os
from pathlib import Path

import pytest

from foldwise.errors import InputError
from foldwise.images.names import find_images, list_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        *("train/a.png", "train/deep/b.JPG", "test/a.png", "test/only.png", "train_images/v.1.jpeg", "images/x.gif"),
        *("same/one.png.png", "same/one.png", "same/one.jpg", "old/y.bmp", "new/y.bmp", "outside.txt", ".hidden/h.png"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def find(folder: Path, *cells: str, table: str = "train") -> list[str]:
    found = find_images(cells, folder, folder / f"{table}.csv", "file")
    return [os.path.relpath(path, folder) for path in found]


@pytest.mark.parametrize(
    ("cell", "table", "path"),
    [
        ("train/a.png", "test", "train/a.png"),
        ("./train//deep/../a.png", "train", "train/a.png"),
        ("train\\a.png", "train", "train/a.png"),
        ("a.png", "train", "train/a.png"),
        ("a", "test", "test/a.png"),
        ("b", "train", "train/deep/b.JPG"),
        ("deep/b", "train", "train/deep/b.JPG"),
        ("v.1", "train", "train_images/v.1.jpeg"),
        ("one.png", "train", "same/one.png"),
        ("only", "test", "test/only.png"),
    ],
)
def test_one_image(folder, cell, table, path):
    assert find(folder, cell, table=table) == [path]


def test_paths_from_elsewhere(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "far.png"
    other.write_bytes(b"")
    assert find_images([str(other), str(other)], folder, folder / "train.csv", "file") == [str(other)] * 2
    assert find_images([other.name], folder, other.parent / "train.csv", "file") == [str(other)]


def test_folders_are_searched_only_for_what_is_not_there_as_it_is_named(folder, monkeypatch):
    (folder / "test" / "train").mkdir()
    (folder / "test" / "train" / "a.png").write_bytes(b"")
    monkeypatch.setattr("foldwise.images.names.list_images", lambda folder: pytest.fail(f"{folder} was searched"))
    beside, absolute = str(folder / "test" / "train" / "a.png"), str(folder / "same" / "one.jpg")
    cells = ["train/a.png", absolute, "images/x.gif"]
    found = find_images(cells, folder, folder / "test" / "test.csv", "file")
    assert found == [beside, absolute, str(folder / "images" / "x.gif")]


def test_missing_images_are_listed(folder):
    # train lacks `only`, whatever lies in test/
    cells = [
        "a.png",
        "only.png",
        "b\0.png",
        "n" * 5000 + ".png",
        "outside.txt",
        "h.png",
        "..",
        "/",
        *map(str, range(8)),
    ]
    with pytest.raises(InputError) as error:
        find(folder, *cells)
    message = str(error.value).splitlines()
    assert message[0] == f"{folder}/train.csv: 15 errors"
    fix = f"no such image below {folder}; put it there, into any folder, or correct the name"
    assert message[1:3] == [f"  column file: {name}: {fix}" for name in ("'only.png'", "'b\\x00.png'")]
    assert message[11:] == ["  … and 5 more"]


def test_several_images_and_none(folder):
    with pytest.raises(InputError) as error:
        find(folder, "one", "y", "a", "", "")
    assert str(error.value) == (
        f"{folder}/train.csv: 3 errors\n"
        "  column file: 'one' may be 'same/one.jpg', 'same/one.png'; write the path, or take the other away\n"
        "  column file: 'y' may be 'new/y.bmp', 'old/y.bmp'; write the path, or take the other away\n"
        "  column file: no image named in 2 rows; name one there, or take the rows out"
    )


def test_links_in_a_circle(folder):
    (folder / "a_link").symlink_to(folder / "images")
    (folder / "same" / "up").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    (folder / "images" / "gone.png").symlink_to(folder / "nowhere.png")
    found = list_images(folder)
    assert "images/gone.png" not in found
    assert [path for path in found if path.endswith("x.gif")] == ["images/x.gif"]
    assert find(folder, "x") == ["images/x.gif"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list any folder")
def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path):
    (tmp_path / "a").mkdir(mode=0)
    with pytest.raises(InputError, match="cannot be listed"):
        list_images(tmp_path)


def test_a_link_to_a_folder_above_adds_nothing(tmp_path):
    (tmp_path / "train" / "cat").mkdir(parents=True)
    (tmp_path / "train" / "cat" / "1.png").touch()
    (tmp_path / "train" / "cat" / "loop").symlink_to(tmp_path / "train")
    assert list_images(tmp_path / "train") == ["cat/1.png"]
