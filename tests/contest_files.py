"""The twins of the contests known by name, read without foldwise."""

import csv
import io
import zipfile
from pathlib import Path

import foldwise
from foldwise.config import Config
from foldwise.load_config import load_config

CONTESTS = Path(__file__).resolve().parent / "data" / "contests"
KNOWN = Path(foldwise.__file__).parent / "competitions"
SLUGS = sorted(path.stem for path in KNOWN.glob("*.toml"))


def config_of(slug: str) -> Config:
    return load_config(KNOWN / f"{slug}.toml", [])


def contest_rows(slug: str, stem: str, quotes: str = "csv") -> list[list[str]]:
    """Header and rows of a twin's table."""
    path = next(path for path in (CONTESTS / slug).iterdir() if path.name.split(".")[0] == stem)
    name, content = path.name, path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            (name,) = archive.namelist()
            content = archive.read(name)
    delimiter = "\t" if name.endswith(".tsv") else ","
    file = io.StringIO(content.decode(), newline="")
    if quotes == "csv":
        return list(csv.reader(file, delimiter=delimiter, strict=True))
    rows = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return [[value[1:-1].replace('\\"', '"') if value[0] == '"' else value for value in row] for row in rows]
