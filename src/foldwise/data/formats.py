"""The bytes of a table's file: unpacked, held against what the file calls itself, and made UTF-8.

Nothing is guessed: a file that is not written as `[files]` says is an `InputError` that names the setting. What fits a
file is found by `init` (`foldwise.data.inspect_files`).
"""

import codecs
import gzip
import io
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from foldwise.data.unpacking import DAMAGED, available_memory, check_size, read_limited
from foldwise.errors import Errors, InputError
from foldwise.inputs import read_input

CHUNK = 1 << 20  # bytes
# How files begin that are no text, what they are, and the fix.
SIGNATURES = {
    b"PK\x03\x04": (
        "a .zip archive or an Excel workbook (.xlsx)",
        "save the sheet as CSV UTF-8, or name a .zip {}.zip",
    ),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (.xls)", "open it and save the sheet as CSV UTF-8"),
    b"\x1f\x8b": ("packed by gzip", "name it {}.gz"),
    b"PAR1": ("Parquet", "give its name the ending .parquet"),
    b"BZh": ("packed by bzip2", "unpack it"),
    b"7z\xbc\xaf": ("a .7z archive", "unpack it"),
    b"\x89HDF": ("HDF5", "save it as CSV"),
}
WEB_PAGE = re.compile(rb"\s*<(!doctype html|html)\b", re.IGNORECASE)
OBJECTS = re.compile(rb'\s*(\[\s*)?\{\s*"')
JSON = (".json", ".jsonl", ".ndjson")
FINDS = "`./run.sh init SLUG --force` finds it"


class Rows(NamedTuple):
    """What a reader of one format finds."""

    frame: pd.DataFrame  # the values, all `str`, N rows in file order
    starts: np.ndarray  # (N,) int64 where each row starts, from 1
    unit: str  # what `starts` counts: "line", or "row" where a format has no lines


def read_bytes(path: Path) -> tuple[str, bytes]:
    """The name of the table's file and its content, unpacked where it is packed."""
    try:
        check_size(path, path.stat().st_size, available_memory())
        content = read_input(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; look at its permissions and its disk") from error
    try:
        if path.suffix == ".gz":
            return path.stem, read_limited(path, gzip.GzipFile(fileobj=io.BytesIO(content)))
        if path.suffix == ".zip":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [
                    name for name in archive.namelist() if not name.startswith("__MACOSX") and not name.endswith("/")
                ]
                if "xl/workbook.xml" in names:
                    raise InputError(f"{path}: this is an Excel workbook; open it and save the sheet as CSV UTF-8")
                if len(names) != 1:
                    raise InputError(f"{path}: holds {len(names)} files; a table's .zip must hold one")
                with archive.open(names[0]) as stream:
                    return names[0], read_limited(path, stream)
    except DAMAGED as error:
        raise InputError(f"{path}: cannot be read: {error}; download it again, or unpack it by hand") from error
    return path.name, content


def check_signature(path: Path, name: str, content: bytes) -> None:
    """Refuse what is no text, whatever it is called."""
    for start, (what, fix) in SIGNATURES.items():
        if content.startswith(start):
            raise InputError(f"{path}: this is {what}, not the text that {name} should be; {fix.format(path.name)}")
    if OBJECTS.match(content) and not name.endswith(JSON):
        raise InputError(f"{path}: this is JSON, not what {name} should be; give its name the ending .json")
    if WEB_PAGE.match(content):
        raise InputError(f"{path}: this is a web page, not a table; download it again, signed in")


def to_utf8(path: Path, content: bytes, encoding: str) -> bytes:
    """The text of a file as UTF-8; `InputError` where it is not written in `encoding`."""
    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        check_utf8(path, content)
        return content
    setting = f"[files] encoding = {encoding!r}"
    check_contradiction(path, content, encoding)
    try:
        return content.decode(encoding).encode()
    except UnicodeEncodeError as error:  # half of a pair, which some encodings let pass
        raise InputError(f"{path}: not {encoding}, which {setting} says: {error.reason}; {FINDS}") from error
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = content[:start].decode(encoding, "replace").count("\n") + 1
        what = f"byte {content[start]:#04x} is not {encoding}" if start < len(content) else str(error)
        raise InputError(
            f"{path}: line {line}: {what}, which {setting} says; set it to what the file is written in ({FINDS}), or "
            "save the file as UTF-8"
        ) from error


def check_contradiction(path: Path, content: bytes, encoding: str) -> None:
    """Refuse a file that is UTF-8 where `[files]` says otherwise."""
    if contradicts(content, encoding):
        setting = f"[files] encoding = {encoding!r}"
        raise InputError(f"{path}: this is UTF-8, and {setting} says otherwise; take that out for this table; {FINDS}")


def contradicts(content: bytes, encoding: str) -> bool:
    """Whether a file is UTF-8 and would be read as something else."""
    if unmarked_utf16(content) or not is_utf8(content):
        return False
    try:  # the same signs in most encodings, not in UTF-16
        return not (content.isascii() and content.decode(encoding) == content.decode())
    except UnicodeError:
        return True


def is_utf8(content: bytes) -> bool:
    """Whether all of it is UTF-8, looked through in parts, which costs no memory."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(content), CHUNK):
            decoder.decode(content[start : start + CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def unmarked_utf16(content: bytes) -> str:
    r"""Which UTF-16 a file without its mark is, "" where it is none: every other byte of its header is zero.

    >>> unmarked_utf16("id,text".encode("utf-16-be")), unmarked_utf16(b"i\0d,text")
    ('utf-16-be', '')
    """
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = content[start:16:2]
        if zeros and not any(zeros) and any(content[1 - start : 16 : 2]):
            return name
    return ""


def check_utf8(path: Path, content: bytes) -> None:
    """An error for each line that is not UTF-8, and for what is UTF-16."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f'{path}: this is UTF-16; set [files] encoding = "utf-16" ({FINDS}), or save it as UTF-8')
    if kind := unmarked_utf16(content):
        raise InputError(f'{path}: this is UTF-16; set [files] encoding = "{kind}" ({FINDS}), or save it as UTF-8')
    if is_utf8(content):
        return
    errors = Errors(path)
    for number, line in enumerate(io.BytesIO(content), start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            message = f"byte {line[error.start]:#04x} at position {error.start + 1} is not UTF-8"
            errors.add(f'{message}; say what it is, such as [files] encoding = "cp1252"; {FINDS}', line=number)
    errors.raise_if_any()
