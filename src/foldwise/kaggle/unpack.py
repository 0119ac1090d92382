"""Unpack an archive that somebody else made; zipfile itself writes no links, and nothing outside the folder."""

import errno
import shutil
import zipfile
from pathlib import Path, PurePosixPath

from foldwise.console import Progress
from foldwise.errors import RunError

TABLES = (".csv", ".tsv")


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack into an empty folder, with the .zip files inside that hold several tables; others stay as they are.

    A .zip of one table is read as it is, and one of word vectors too, so that gigabytes are not written twice. A folder
    that holds everything is left out of the paths, which are relative to `folder` and in order.
    """
    unpack_one(archive, folder)
    for inner in sorted(folder.rglob("*.zip")):
        if holds_several_tables(inner):
            unpack_one(inner, inner.parent)
            inner.unlink()
    while len(inside := list(folder.iterdir())) == 1 and inside[0].is_dir():
        only = inside[0].rename(folder / ".lifted")
        for path in list(only.iterdir()):
            path.rename(folder / path.name)
        only.rmdir()
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def unpack_one(archive: Path, folder: Path) -> None:
    """Unpack one archive, of which no file may be there yet."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if is_wanted(member)]
            size = sum(member.file_size for member in members)
            if size > (free := shutil.disk_usage(folder).free):
                raise RunError(f"{archive.name}: needs {size:,} bytes, and the disk has {free:,}; make room")
            with Progress("unpack", size, "bytes") as shown:
                for member in members:
                    if (folder / member.filename).exists():
                        raise RunError(f"{archive.name}: holds {member.filename} twice; unpack it by hand")
                    opened.extract(member, folder)
                    shown.update(member.file_size)
    except RunError:
        raise
    except Exception as error:  # zlib.error, lzma.LZMAError and those of zipfile have no common ground
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # of the disk
            raise
        raise RunError(
            f"{archive.name}: damaged or cut short ({error}); run the same command again, or unpack it by hand"
        ) from error


def is_wanted(member: zipfile.ZipInfo) -> bool:
    """False of folders and of what systems leave in archives."""
    return not member.is_dir() and not {"__MACOSX", ".DS_Store", "Thumbs.db"} & {*PurePosixPath(member.filename).parts}


def holds_several_tables(archive: Path) -> bool:
    """True of a .zip with more than one file, one of them a table."""
    if not zipfile.is_zipfile(archive):
        return False
    with zipfile.ZipFile(archive) as opened:
        names = [member.filename for member in opened.infolist() if is_wanted(member)]
    return len(names) > 1 and any(name.endswith(TABLES) for name in names)
