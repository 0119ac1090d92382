"""Archives that want to do harm."""

import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foldwise.errors import RunError
from foldwise.kaggle import unpack as module
from foldwise.kaggle.unpack import BLOCK, unpack, unpack_one


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


@pytest.mark.parametrize(
    "name", ["../out.csv", "a/../../out.csv", "/out.csv", "..\\out.csv", "C:out.csv", "a/..", ".."]
)
def test_a_path_that_leads_out(tmp_path, name):
    folder = place(tmp_path)
    with pytest.raises(RunError, match="leads out of its folder; nothing is unpacked"):
        unpack(make(tmp_path / "a.zip", [("good.csv", b"x"), (name, b"harm")]), folder)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.zip"]


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o600, stat.S_IFCHR | 0o600])
def test_links_and_devices(tmp_path, mode):
    with pytest.raises(RunError, match="is a link or a device"):
        unpack(make(tmp_path / "a.zip", [(entry("link.csv", mode), b"/etc/passwd")]), place(tmp_path))


def test_a_bomb_is_refused_for_what_it_declares(tmp_path):
    archive = make(tmp_path / "a.zip", [("a.csv", bytes(3_000_000))])
    folder = place(tmp_path)
    with pytest.raises(RunError, match="more than an honest archive"):
        unpack_one(archive, folder, 2_999_999)
    assert list(folder.iterdir()) == []
    assert unpack_one(archive, folder, 3_000_000) == 3_000_000


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


def test_archives_within_count_towards_the_same_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(module, "RATIO", 10)
    inner = make(tmp_path / "inner.zip", [("a.csv", bytes(200_000)), ("b.csv", b"x")])
    outer = make(tmp_path / "outer.zip", [("inner.zip", inner.read_bytes())])
    with pytest.raises(RunError, match="more than an honest archive"):
        unpack(outer, place(tmp_path))


def test_too_many_files(tmp_path):
    archive = make(tmp_path / "a.zip", [(f"{number}.csv", b"") for number in range(6)])
    with pytest.raises(RunError, match="more than an honest archive"):
        unpack_one(archive, place(tmp_path), 5 * BLOCK)


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
