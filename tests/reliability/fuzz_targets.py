"""The parsers that are fuzzed, each with valid files to start from, and plain readers of tables to compare with."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save as save_arrays
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from conftest import COMPETITIONS
from foldwise.config import Format, Tokens
from foldwise.data.competition import load_competition
from foldwise.data.encodings import guess_encoding
from foldwise.data.fold_file import pack_folds, read_folds, unpack_folds
from foldwise.data.inspect_competition import Choices
from foldwise.data.inspect_files import inspect_file
from foldwise.data.own_tokenizer import find_splitter
from foldwise.data.table import Table, read_table
from foldwise.encoders.files import load_body
from foldwise.encoders.tokens import encode_rows, load_tokenizer
from foldwise.files import read_json, write_checked
from foldwise.inference.bundle import FORMAT, MANIFEST, open_manifest
from foldwise.kaggle.client import json_in
from foldwise.kaggle.credentials import hide
from foldwise.kaggle.kernels import log_lines
from foldwise.kaggle.metadata import read_metadata
from foldwise.kaggle.unpack import unpack
from foldwise.load_config import load_config
from foldwise.paths import resolve
from foldwise.run import check_config
from foldwise.stages.init import init
from foldwise.vectors.files import VectorFile, list_vectors
from foldwise.vectors.reading import read_dimension, read_vectors

TWIN = COMPETITIONS / "twin-binary"
CSV = (TWIN / "train.csv").read_bytes()
MESSY = (
    'id,text,label\n1,"a, ""b""\nc",0\r\n2,\ud83d\ude00 x,1\n\n3,"",0\n4,中文 y,1\n'.encode("utf-16", "surrogatepass")
    .decode("utf-16")
    .encode()
)
IDS = [str(number) for number in range(20)]


class Lost(Exception):  # noqa: N818 (the outcome's name)
    """A table was read otherwise than a plain reader reads it."""


class Target(NamedTuple):
    """One parser."""

    name: str
    seeds: list[bytes]
    parse: Callable[[bytes, Path], object]  # the content, and an empty folder
    weight: int = 1  # how often it has its turn


def targets(scratch: Path) -> list[Target]:
    """All of them; `scratch` is a folder for what they share."""
    from encoders.tiny import make_encoder

    encoder = make_encoder(scratch / "encoder")
    objects = json.dumps([{"id": number, "text": f"a {number}", "label": number % 2} for number in range(5)])
    lines = "".join(json.dumps({"id": str(n), "text": "b\nc", "tags": ["x", "y"]}) + "\n" for n in range(5))
    found = [
        Target("tables/csv", [CSV, MESSY], lambda content, folder: compare_csv(content, folder, "train.csv", ","), 10),
        Target("tables/tsv", [CSV.replace(b",", b"\t")], lambda content, folder: compare_csv(content, folder, "train.tsv", "\t"), 4),
        Target("tables/json", [objects.encode()], lambda content, folder: compare_json(content, folder, "train.json"), 4),
        Target("tables/jsonl", [lines.encode()], lambda content, folder: compare_json(content, folder, "train.jsonl"), 4),
        Target("tables/gz", [gzip.compress(MESSY), gzip.compress(CSV)], read_as("train.csv.gz"), 3),
        Target("tables/zip", zips(MESSY, "train.csv"), read_as("train.csv.zip"), 6),
        Target("tables/other packing", [bz2.compress(CSV), lzma.compress(CSV)], read_as("train.csv"), 1),
        Target("tables/encodings", [MESSY, "id,text\n1,é\n".encode("cp1252"), MESSY.decode().encode("utf-16")], any_encoding, 2),
        Target("tables/inspected", [CSV, MESSY, b"id;text;v\n1;a;0,5\n2;b;1,5\n"], inspected, 3),
        Target("init", [(TWIN / name).read_bytes() for name in ("train.csv", "test.csv", "sample_submission.csv")], init_of, 4),
        Target("competition", [(TWIN / name).read_bytes() for name in ("train.csv", "test.csv", "sample_submission.csv")], competition_of, 4),
        Target("competition.toml", [path.read_bytes() for path in sorted(COMPETITIONS.glob("*/competition.toml"))], config_of, 6),
        Target("--set", [b"training.epochs=3", b"members.a.model.layers=2", b"tokens.vectors=['none']", b"training.loss_arguments={gamma=2}", b"tokens.max_length=95%", b"columns.id=x", b"seed=7"], setting_of, 6),
        Target("fold file", ["".join(["id,fold\n", *(f"{n},{n % 5}\n" for n in range(20))]).encode()], folds_of, 3),
        Target("packed fold file", [pack_folds(np.arange(20) % 5, IDS).encode()], packed_of, 2),
        Target("vectors/text", [b"".join(b"w%d 0.1 -2 3e-1\n" % n for n in range(30)), b"2 3\na 1 2 3\nb 4 5 6\n"], vectors_of("v.txt"), 4),
        Target("vectors/binary", [b"3 4\n" + b"".join(b"w%d " % n + np.arange(4, dtype="<f4").tobytes() + b"\n" for n in range(3))], vectors_of("v.bin"), 3),
        Target("vectors/gz", [gzip.compress(b"a 1 2 3\nb 4 5 6\n")], vectors_of("v.vec.gz"), 2),
        Target("vectors/zip", zips(b"a 1 2 3\nb 4 5 6\n", "v.txt"), vector_zip, 3),
        Target("vectors/safetensors", [save_arrays({"vectors": np.ones((2, 3), dtype=kind)}) for kind in (np.float32, np.float16, np.int8)], vectors_of("v.safetensors"), 3),
        Target("encoder/config.json", [(encoder / "config.json").read_bytes()], encoder_with(encoder, "config.json"), 1),
        Target("encoder/model.safetensors", [(encoder / "model.safetensors").read_bytes()], encoder_with(encoder, "model.safetensors"), 1),
        Target("encoder/tokenizer.json", [(encoder / "tokenizer.json").read_bytes()], encoder_tokenizer, 2),
        Target("own tokenizer.json", [Tokenizer(WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]")).to_str().encode(), (encoder / "tokenizer.json").read_bytes()], own_tokenizer, 2),
        Target("kaggle/metadata", [b'{"id": "me/kernel", "title": "t"}'], metadata_of, 2),
        Target("kaggle/client", [b'Warning\n[{"ref": 1, "status": "x"}]', b'[{"data": "a\\nb", "time": 1}]'], client_words, 2),
        Target("kaggle/archive", zips(CSV, "train.csv") + zips(zips(CSV, "a.csv")[0], "b.zip"), archive_of, 3),
        Target("bundle", [manifest()], bundle_of, 3),
    ]  # fmt: skip
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return found
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"id": [1, 2], "text": ["a", None], "x": [0.1, 2.0]}), sink)
    return [*found, Target("tables/parquet", [sink.getvalue()], read_as("train.parquet"), 4)]


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def read_as(name: str) -> Callable[[bytes, Path], Table]:
    return lambda content, folder: read_table(put(folder, name, content))


def zips(content: bytes, name: str) -> list[bytes]:
    """A .zip of one file, packed in each way that Python knows."""
    packed = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr(name, content)
        packed.append(buffer.getvalue())
    return packed


def plain_rows(text: str, separator: str) -> Iterator[list[str]]:
    """The rows of a CSV by RFC 4180, a character at a time: nothing of it is in Python's own reader."""
    ends = ("\n", "\r\n") if "\n" in text else ("\r",)
    row: list[str] = []
    field, quoted, place, started = "", False, 0, False
    while place < len(text):
        sign = text[place]
        if quoted:
            if sign == '"' and text[place + 1 : place + 2] == '"':
                field, place = field + '"', place + 1
            elif sign == '"':
                quoted = False
            else:
                field += sign
        elif sign == '"' and not started:
            quoted = started = True
        elif sign == separator:
            row, field, started = [*row, field], "", False
        elif end := next((end for end in reversed(ends) if text.startswith(end, place)), ""):
            if row or started:
                yield [*row, field]
            row, field, started, place = [], "", False, place + len(end) - 1
        else:
            field, started = field + sign, True
        place += 1
    if row or started:
        yield [*row, field]


def compare_csv(content: bytes, folder: Path, name: str, separator: str) -> None:
    table = read_table(put(folder, name, content))
    header, *rows = plain_rows(content.decode("utf-8-sig"), separator)
    if header[0] == f"sep={separator}" or header == ["sep=", ""]:
        header, *rows = rows
    while rows and not any(rows[-1]) and len(rows[-1]) > 1:  # of nothing but separators
        rows.pop()
    kept = [place for place, column in enumerate(header) if column or any(row[place] for row in rows)]
    compare(table, [header[place] for place in kept], [[row[place] for place in kept] for row in rows])


def compare_json(content: bytes, folder: Path, name: str) -> None:
    table = read_table(put(folder, name, content))
    text = content.decode("utf-8-sig")
    if text.lstrip().startswith("["):
        records = json.loads(text, parse_float=str, parse_int=str)
    else:
        records = [json.loads(line, parse_float=str, parse_int=str) for line in text.split("\n") if line.strip()]
    names = list(dict.fromkeys(key for record in records for key in record))
    compare(
        table, [whole(name) for name in names], [[as_text(record.get(name)) for name in names] for record in records]
    )


def as_text(value: Any) -> str:
    if isinstance(value, list):
        return "|".join(map(as_text, value))
    if isinstance(value, float):  # NaN, Infinity
        return "" if value != value else ("-" if value < 0 else "") + "Infinity"  # noqa: PLR0124
    return "" if value is None else whole(str(value))


def whole(text: str) -> str:
    """Halves of signs as one sign each."""
    return "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text)


def compare(table: Table, header: list[str], rows: list[list[str]]) -> None:
    if list(table.frame.columns) != header or table.frame.to_numpy().tolist() != rows:
        raise Lost(
            f"{list(table.frame.columns)!r:.300} and {header!r:.300}\n{table.frame.to_numpy().tolist()!r:.1500}\n{rows!r:.1500}"
        )


def any_encoding(content: bytes, folder: Path) -> None:
    path = put(folder, "train.csv", content)
    for name in guess_encoding(path, content).names:
        read_table(path, Format(encoding=name))


def inspected(content: bytes, folder: Path) -> None:
    inspect_file(put(folder, "train.csv", content), Format(), {})


def folder_with(content: bytes, folder: Path) -> Path:
    """A competition, with the table replaced that this content was made of."""
    (folder / "twin-binary").mkdir()
    for name in ("train.csv", "test.csv", "sample_submission.csv", "competition.toml"):
        put(folder / "twin-binary", name, (TWIN / name).read_bytes())
    starts = {b"id,pred": "sample_submission.csv", b"id,text\n": "test.csv", b"id,text\r": "test.csv"}
    name = next((name for start, name in starts.items() if content.startswith(start)), "train.csv")
    put(folder / "twin-binary", name, content)
    return folder


def init_of(content: bytes, folder: Path) -> None:
    paths = resolve("twin-binary", folder_with(content, folder), folder, folder)
    paths.config.unlink()
    init(paths, Choices(kind="probability"), force=False)


def competition_of(content: bytes, folder: Path) -> None:
    paths = resolve("twin-binary", folder_with(content, folder), folder, folder)
    load_competition(load_config(paths.config, []), paths)


def config_of(content: bytes, folder: Path) -> None:
    config = load_config(put(folder, "competition.toml", content), [])
    check_config(config, config.competition.slug)


def setting_of(content: bytes, folder: Path) -> None:
    config = load_config(TWIN / "competition.toml", [content.decode("utf-8", "surrogateescape")])
    check_config(config, config.competition.slug)


def folds_of(content: bytes, folder: Path) -> None:
    read_folds(put(folder, "x.csv", content), IDS, 5, "x")


def packed_of(content: bytes, folder: Path) -> None:
    folds = unpack_folds(put(folder, "x.packed.json", content), IDS)
    if folds.shape != (20,) or folds.min() < -1:
        raise Lost(f"folds {folds}")


def vectors_of(name: str) -> Callable[[bytes, Path], None]:
    def parse(content: bytes, folder: Path) -> None:
        source = VectorFile(put(folder, name, content))
        put(folder, "v.txt", content) if name == "v.txt" else put(folder, "v.txt", b"a\nb\n")
        table = read_vectors(source, {"a", "b", "w1", "w29"})
        if table.vectors.shape != (len(table.words), len(table.mean)) or not np.isfinite(table.vectors).all():
            raise Lost(f"vectors {table.vectors.shape} of {len(table.words)} words")
        read_dimension(source)

    return parse


def vector_zip(content: bytes, folder: Path) -> None:
    put(folder, "v.zip", content)
    for source in list_vectors([folder]):
        read_vectors(source, {"a", "b"})


def encoder_with(encoder: Path, name: str) -> Callable[[bytes, Path], object]:
    names = ("config.json", "model.safetensors", "tokenizer.json")
    return lambda content, folder: load_body({**{n: encoder / n for n in names}, name: put(folder, name, content)})


def encoder_tokenizer(content: bytes, folder: Path) -> None:
    tokenizer = load_tokenizer(put(folder, "tokenizer.json", content), 16, pair=False)
    encode_rows([["a b c", ""]], tokenizer)


def own_tokenizer(content: bytes, folder: Path) -> None:
    put(folder, "own.json", content)
    splitter = find_splitter(Tokens(tokenizer="own.json"), [folder])
    assert splitter is not None
    splitter(["a b c", ""])


def metadata_of(content: bytes, folder: Path) -> None:
    read_metadata(put(folder, "kernel-metadata.json", content), "x")


def client_words(content: bytes, folder: Path) -> None:
    text = hide(content.decode("utf-8", "replace"), {"secret"})
    log_lines(text)
    json_in(text)


def archive_of(content: bytes, folder: Path) -> None:
    (folder / "to").mkdir()
    unpack(put(folder, "a.zip", content), folder / "to")


def manifest() -> bytes:
    config = load_config(TWIN / "competition.toml", []).model_dump(mode="json")
    fold = {
        "fold": 0,
        "weights": ["w"],
        "facts": "f",
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
        "targets": "",
        "folds": "",
    }
    members: dict[str, Any] = {"bilstm": {"own": None, "folds": [fold], "files": {}}}
    facts = {
        "dimension": 4,
        "tokenizer": "",
        "max_length": 9,
        "whole": False,
        "weights": {"bilstm": 1.0},
        "calibrations": {},
    }
    content = {
        "format": FORMAT,
        "config": config,
        "names": ["label"],
        "written": ["0", "1"],
        "shape": {"outputs": 1},
        **facts,
    }
    return json.dumps({**content, "thresholds": [0.5], "members": members, "parts": {}}).encode()


def bundle_of(content: bytes, folder: Path) -> None:
    put(folder, MANIFEST, content)
    if (changed := read_json(folder / MANIFEST)) is not None:
        write_checked(folder / MANIFEST, changed)  # what is behind the checksum is tried, too
    found = open_manifest(folder, "twin-binary")
    found.mixture, found.targets, found.config.metric  # noqa: B018
