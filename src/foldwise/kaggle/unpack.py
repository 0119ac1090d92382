"""Unpack an archive that somebody else made: nothing outside the folder, no links, no bombs."""

import errno
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from foldwise.console import Progress
from foldwise.data.unpacking import DAMAGED
from foldwise.errors import RunError

SMALL = 1 << 30  # bytes that any archive may unpack to
RATIO = 200  # times its own size that a larger one may; CSVs of plain zeros come to a few dozen with their texts
BLOCK = 4096  # bytes that a file counts at least, as on the disk: so many empty files are a bomb too
CHUNK = 1 << 20
TABLES = (".csv", ".tsv")


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack into an empty folder, with the .zip files inside that hold several tables; others stay as they are.

    A .zip of one table is read as it is, and one of word vectors too, so that gigabytes are not written twice. A folder
    that holds everything is left out of the paths.

    Returns:
        The files, relative to `folder`, in order.

    Raises:
        RunError: damaged, encrypted, too large, or with paths or links that lead elsewhere.
    """
    allowed = max(SMALL, RATIO * archive.stat().st_size)
    allowed -= unpack_one(archive, folder, allowed)
    for inner in sorted(folder.rglob("*.zip")):
        if holds_several_tables(inner):
            allowed -= unpack_one(inner, inner.parent, allowed)
            inner.unlink()
    while len(inside := list(folder.iterdir())) == 1 and inside[0].is_dir():
        only = inside[0].rename(folder / ".lifted")
        for path in list(only.iterdir()):
            path.rename(folder / path.name)
        only.rmdir()
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def unpack_one(archive: Path, folder: Path, allowed: int) -> int:
    """Unpack one archive of at most `allowed` bytes; → how many they are.

    These are the bytes that it declares: of a file that holds more, zipfile reads no more and finds it damaged.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if is_wanted(member)]
            for member in members:
                check_member(member, archive)
            size = sum(max(member.file_size, BLOCK) for member in members)
            if size > allowed:
                raise RunError(
                    f"{archive.name}: unpacks to more than an honest archive of its size would; nothing of it is kept; "
                    "if it is what you want, unpack it by hand"
                )
            if size > (free := shutil.disk_usage(folder).free):
                raise RunError(f"{archive.name}: needs {size:,} bytes, and the disk has {free:,}; make room")
            with Progress("unpack", size, "bytes") as shown:
                for member in members:
                    target = folder / PurePosixPath(member.filename)
                    if target.exists():
                        raise RunError(f"{archive.name}: holds {member.filename} twice; unpack it by hand")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with opened.open(member) as source, target.open("xb") as file:
                        while chunk := source.read(CHUNK):
                            file.write(chunk)
                            shown.update(len(chunk))
            return size
    except RunError:
        raise
    except Exception as error:  # zlib.error, lzma.LZMAError and those of zipfile have no common ground
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # of the disk
            raise
        raise RunError(f"{archive.name}: damaged or cut short ({error}); run the same command again") from error


def is_wanted(member: zipfile.ZipInfo) -> bool:
    """False of folders and of what systems leave in archives."""
    return not member.is_dir() and not {"__MACOSX", ".DS_Store", "Thumbs.db"} & {*PurePosixPath(member.filename).parts}


def check_member(member: zipfile.ZipInfo, archive: Path) -> None:
    """Refuse what would be written elsewhere or cannot be read.

    Raises:
        RunError: an absolute path, one with .., a drive or a backslash, a link, a device, or an encrypted file.
    """
    name = member.orig_filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or any(char in name for char in "\\:\0") or not path.parts:
        raise RunError(f"{archive.name}: {name!r} leads out of its folder; nothing is unpacked")
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        raise RunError(f"{archive.name}: {name!r} is a link or a device; nothing is unpacked")
    if member.flag_bits & 1:
        raise RunError(f"{archive.name}: {name!r} is encrypted; unpack it by hand, with the contest's password")


def holds_several_tables(archive: Path) -> bool:
    """True of a .zip with more than one file, one of them a table."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [member.filename for member in opened.infolist() if is_wanted(member)]
    except DAMAGED:  # whether it is needed shows where it is read
        return False
    return len(names) > 1 and any(name.endswith(TABLES) for name in names)
