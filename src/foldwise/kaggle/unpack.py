"""Unpack an archive that somebody else made: nothing outside the folder, no links, no bombs."""

import errno
import shutil
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from foldwise.console import Progress
from foldwise.errors import RunError

SMALL = 1 << 30  # bytes that any archive may unpack to
RATIO = 200  # times its own size that a larger one may; CSVs of plain zeros come to a few dozen with their texts
MOST_FILES = 200_000
CHUNK = 1 << 20
TABLES = (".csv", ".tsv")


@dataclass
class Allowance:
    """Bytes and files that may still be written."""

    bytes: int
    files: int = MOST_FILES

    def spend(self, path: Path, size: int = 0, files: int = 0) -> None:
        """Take from it; RunError where too little is left."""
        self.bytes -= size
        self.files -= files
        if self.bytes < 0 or self.files < 0:
            raise RunError(
                f"{path.name}: unpacks to more than an honest archive of its size would; nothing of it is kept; if it "
                "is what you want, unpack it by hand"
            )


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack into an empty folder, with the .zip files inside that hold several tables; others stay as they are.

    A .zip of one table is read as it is, and one of word vectors too, so that gigabytes are not written twice. A folder
    that holds everything is left out of the paths.

    Returns:
        The files, relative to `folder`, in order.

    Raises:
        RunError: damaged, encrypted, too large, or with paths or links that lead elsewhere.
    """
    allowance = Allowance(max(SMALL, RATIO * archive.stat().st_size))
    unpack_one(archive, folder, allowance)
    for inner in sorted(folder.rglob("*.zip")):
        if holds_several_tables(inner):
            unpack_one(inner, inner.parent, allowance)
            inner.unlink()
    lift_single_folder(folder)
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def unpack_one(archive: Path, folder: Path, allowance: Allowance) -> None:
    """Unpack one archive; the declared sizes must be within the allowance, then the bytes that really come."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if is_wanted(member)]
            for member in members:
                check_member(member, archive)
            declared = sum(member.file_size for member in members)
            Allowance(allowance.bytes, allowance.files).spend(archive, declared, len(members))
            if declared > (free := shutil.disk_usage(folder).free):
                raise RunError(f"{archive.name}: needs {declared:,} bytes, and the disk has {free:,}; make room")
            with Progress("unpack", declared, "bytes") as shown:
                for member in members:
                    target = folder / PurePosixPath(member.filename)
                    if target.exists():
                        raise RunError(f"{archive.name}: holds {member.filename} twice; unpack it by hand")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    allowance.spend(archive, files=1)
                    with opened.open(member) as source, target.open("xb") as file:
                        while chunk := source.read(CHUNK):
                            allowance.spend(archive, len(chunk))
                            file.write(chunk)
                            shown.update(len(chunk))
    except RunError:
        raise
    except Exception as error:  # zlib.error, lzma.LZMAError and those of zipfile have no common ground
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # of the disk
            raise
        raise RunError(f"{archive.name}: damaged or cut short ({error}); run the same command again") from error


def is_wanted(member: zipfile.ZipInfo) -> bool:
    """False of folders and of what systems leave in archives."""
    parts = PurePosixPath(member.filename).parts
    return not member.is_dir() and not any(part == "__MACOSX" or part in (".DS_Store", "Thumbs.db") for part in parts)


def check_member(member: zipfile.ZipInfo, archive: Path) -> None:
    """Refuse what would be written elsewhere or cannot be read.

    Raises:
        RunError: an absolute path, one with .., a drive or a backslash, a link, a device, or an encrypted file.
    """
    name = member.orig_filename
    path = PurePosixPath(name)
    mode = member.external_attr >> 16
    if path.is_absolute() or ".." in path.parts or any(char in name for char in "\\:\0") or not path.parts:
        raise RunError(f"{archive.name}: {name!r} leads out of its folder; nothing is unpacked")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise RunError(f"{archive.name}: {name!r} is a link or a device; nothing is unpacked")
    if member.flag_bits & 1:
        raise RunError(f"{archive.name}: {name!r} is encrypted; unpack it by hand, with the contest's password")


def holds_several_tables(archive: Path) -> bool:
    """True of a .zip with more than one file, one of them a table."""
    if not zipfile.is_zipfile(archive):
        return False
    with zipfile.ZipFile(archive) as opened:
        names = [member.filename for member in opened.infolist() if is_wanted(member)]
    return len(names) > 1 and any(name.endswith(TABLES) for name in names)


def lift_single_folder(folder: Path) -> None:
    """Move the content of a folder that holds everything up to where it is looked for."""
    while len(inside := list(folder.iterdir())) == 1 and inside[0].is_dir():
        only = inside[0].rename(folder / ".lifted")
        for path in list(only.iterdir()):
            path.rename(folder / path.name)
        only.rmdir()
