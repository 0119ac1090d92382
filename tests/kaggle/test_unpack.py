"""Archives that want to do harm."""

import os
import shutil
import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foldwise.errors import RunError
from foldwise.kaggle.unpack import unpack


def make(path: Path, files: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def place(root: Path) -> Path:
    folder = root / "deep" / "folder"
    folder.mkdir(parents=True)
    return folder


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize("name", ["../out.csv", "a/../../out.csv", "/out.csv", "..\\out.csv", "C:out.csv", "a/.."])
def test_a_path_that_leads_out(tmp_path, name):
    folder = place(tmp_path)
    found = unpack(make(tmp_path / "a.zip", [("good.csv", b"x"), (name, b"harm")]), folder)
    assert len(found) == 2
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        [tmp_path / "a.zip", *(folder / path for path in found)]
    )


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o600, stat.S_IFCHR | 0o600])
def test_links_and_devices(tmp_path, mode):
    folder = place(tmp_path)
    unpack(make(tmp_path / "a.zip", [(entry("link.csv", mode), b"/etc/passwd")]), folder)
    assert not (folder / "link.csv").is_symlink()
    assert (folder / "link.csv").read_bytes() == b"/etc/passwd"


def test_an_archive_that_the_disk_cannot_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_999_999))
    archive = make(tmp_path / "a.zip", [("a.csv", bytes(3_000_000))])
    folder = place(tmp_path)
    with pytest.raises(RunError, match="needs 3,000,000 bytes, and the disk has 2,999,999; make room"):
        unpack(archive, folder)
    assert list(folder.iterdir()) == []


def test_a_bomb_that_declares_less_than_it_holds(tmp_path):
    """Both headers say 10 bytes where a million come."""
    archive = make(tmp_path / "a.zip", [("a.csv", bytes(1_000_000))])
    size = (1_000_000).to_bytes(4, "little")
    content = archive.read_bytes()
    assert content.count(size) == 2
    archive.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    folder = place(tmp_path)
    with pytest.raises(RunError, match="damaged or cut short"):
        unpack(archive, folder)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 10


def test_a_name_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = make(tmp_path / "a.zip", [("a.csv", b"1"), ("a.csv", b"2")])
    with pytest.raises(RunError, match=r"holds a\.csv twice"):
        unpack(archive, place(tmp_path))


def test_an_encrypted_file(tmp_path):
    archive = make(tmp_path / "a.zip", [("a.csv", b"1")])
    content = archive.read_bytes()
    central = content.index(b"PK\x01\x02")
    archive.write_bytes(content[: central + 8] + b"\x01\x00" + content[central + 10 :])
    with pytest.raises(RunError, match="is encrypted"):
        unpack(archive, place(tmp_path))


def test_what_systems_leave_behind_is_left_out(tmp_path):
    archive = make(tmp_path / "a.zip", [("in/a.csv", b"1"), ("__MACOSX/in/._a.csv", b"2"), ("in/.DS_Store", b"3")])
    assert unpack(archive, place(tmp_path)) == [Path("a.csv")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(position=st.integers(0, 400), value=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_archive_never_gives_other_bytes(tmp_path_factory, position, value, cut):
    """Whatever byte is changed: a clear error, or files whose content is right."""
    root = tmp_path_factory.mktemp("damaged")
    text = os.urandom(50) * 3
    content = bytearray(make(root / "a.zip", [("a.csv", text), ("b.csv", b"id\n1\n")]).read_bytes())
    position %= len(content)
    content = content[:position] if cut else content[:position] + bytes([value]) + content[position + 1 :]
    (root / "a.zip").write_bytes(bytes(content))
    folder = place(root)
    try:
        found = unpack(root / "a.zip", folder)
    except RunError:
        found = []
    for name in found:
        assert (folder / name).read_bytes() in (text, b"id\n1\n")
    assert all(path.is_relative_to(folder) for path in root.rglob("*") if path.is_file() and path.name != "a.zip")
