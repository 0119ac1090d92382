"""Input that was made to break things, each case as the command line meets it: exit 2 and one message, or the right result."""

import ast
import csv
import gzip
import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from conftest import COMPETITIONS
from foldwise.config import Tokens
from foldwise.data import unpacking
from foldwise.data.splits import units_of
from foldwise.data.table import read_table
from foldwise.data.tokenizer import LONGEST_RUN, tokenize
from foldwise.errors import Errors, InputError
from foldwise.kaggle.script import Kernel, make_script
from foldwise.load_config import load_config
from foldwise.paths import resolve
from foldwise.vectors.files import VectorFile
from foldwise.vectors.reading import MOST_MALFORMED, read_vectors

TWIN = COMPETITIONS / "twin-binary"
QUICK = ["-c", "twin-binary", "--set", "training.epochs=1", "--set", "model.hidden=8", "--set", "folds.n=2"]
SIGNS = "\x1b[31m\u202e\u2066\x07\x9b"


@pytest.mark.parametrize("slug", ["../x", "a/b", "..", ".", "", "/tmp", "a\\b", "a\nb", "x" * 300, "\udcff"])
def test_a_slug_is_the_name_of_a_folder(cli_here, workspace, slug):
    done = cli_here("folds", f"--competition={slug}", code=2)
    assert "give the name of a folder below input/" in done.stderr
    assert sorted(path.name for path in workspace.iterdir()) == ["input"]


@pytest.mark.parametrize(
    "setting",
    [
        "tokens.max_length=99999999999999999999",
        "training.epochs=" + "9" * 5000,
        "model.hidden=1000000000",
        "model.layers=101",
        "seed=99999999999",
        "folds.n=10001",
        "training.loss_arguments={gamma=" + "9" * 400 + "}",
        "training.loss_arguments=" + "[" * 500,
        "training" + ".a" * 5000 + "=1",
        "model.name=\udcff",
        "members.a.seeds=[" + ",".join(map(str, range(200))) + "]",
        "folds.seed=-1",
    ],
)
def test_a_setting_that_no_field_holds_is_refused(cli_here, setting):
    done = cli_here("train", *QUICK, "--set", setting, code=2)
    assert len(done.stderr) < 3000


def test_toml_of_500_brackets_and_of_5000_digits_is_no_toml(tmp_path):
    path = tmp_path / "competition.toml"
    for text in ("a = " + "[" * 500, "a = " + "9" * 5000):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match="not valid TOML"):
            load_config(path, [])


def packed(name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytearray:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, content)
    return bytearray(buffer.getvalue())


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_damaged_byte_of_a_packed_table_is_refused_or_harmless(tmp_path, method):
    content = (TWIN / "train.csv").read_bytes()
    whole = packed("train.csv", content, method)
    path, vectors = tmp_path / "train.csv.zip", tmp_path / "v.zip"
    path.write_bytes(whole)
    rows = read_table(path).frame.to_numpy().tolist()
    for place in range(0, len(whole), 5):
        damaged = whole[:]
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        with suppress(InputError):
            assert read_table(path).frame.to_numpy().tolist() == rows
    for place in range(0, len(whole), 23):
        damaged = whole[:]
        damaged[place] ^= 0x41
        vectors.write_bytes(damaged)
        with pytest.raises(InputError):  # what is whole has texts, and no numbers
            read_vectors(VectorFile(vectors, "train.csv"), {"a"})


@pytest.mark.parametrize("name", ["train.csv.gz", "train.csv.zip", "train.csv"])
def test_a_table_may_take_a_quarter_of_the_free_memory_whatever_its_header_claims(tmp_path, monkeypatch, name):
    free = 4 * 3_000_000
    monkeypatch.setattr(unpacking, "available_memory", lambda: free)
    monkeypatch.setattr("foldwise.data.formats.available_memory", lambda: free)
    content = b"id,text\n" + b"1,0000000\n" * 400_000
    forms = {"train.csv.gz": gzip.compress(content), "train.csv.zip": bytes(packed("train.csv", content))}
    path = tmp_path / name
    path.write_bytes(forms.get(name, content))
    with pytest.raises(
        InputError, match=r"its content is [34]\.\d MB or more, and of the 12\.0 MB of memory that are free"
    ):
        read_table(path)
    (tmp_path / "small.csv").write_bytes(content[:1000] + b"\n1,2\n")
    assert len(read_table(tmp_path / "small.csv"))


def test_free_memory_is_a_number_that_makes_sense():
    assert 50e6 < unpacking.available_memory() < 1e14


def test_long_runs_and_rows_become_tokens():
    texts = ["a" * 11_000_000 + " b", "中" * 50_000, "x " * 1_000_000, "1.1." * 30_000 + "a"]
    store, words, _ = tokenize(texts, len(texts), Tokens(), lambda _: None)
    assert store.lengths.tolist()[:3] == [12, 50_000, 1_000_000]
    assert words[2] == "x"
    assert max(map(len, words)) == LONGEST_RUN


def test_nul_does_not_end_a_text(tmp_path):
    """pandas 2 takes texts for the same that are so up to a NUL."""
    path = tmp_path / "train.csv"
    path.write_text('id,text\n"a\0b",x\n"a\0c",y\n', encoding="utf-8")
    assert read_table(path).column("id") == ["a\0b", "a\0c"]
    assert len(set(units_of(["a\0b", "a\0c", "a"], ["g\0x", "g\0y", "g"]).tolist())) == 3


def test_control_characters_in_every_place_give_a_right_result_and_never_reach_the_terminal(cli_here, workspace):
    folder = workspace / "input" / "twin-binary"
    names = {"text": f"te{SIGNS}xt\0", "target": f"ta{SIGNS}rget"}
    ids = {}
    for name in ("train", "test", "sample_submission"):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        ids[name] = [f"{row[0]}\0{SIGNS}{place}" for place, row in enumerate(rows)]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([names.get(column, column) for column in header])
            writer.writerows([new, *(f"{cell}" for cell in row[1:])] for new, row in zip(ids[name], rows, strict=True))
    with (folder / "sample_submission.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    lines[1:] = [[row_id, *line[1:]] for row_id, line in zip(ids["test"], lines[1:], strict=True)]
    with (folder / "sample_submission.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    toml = (folder / "competition.toml").read_text(encoding="utf-8")
    for old, new in names.items():
        toml = toml.replace(f'"{old}"', json.dumps(new))
    toml = toml.replace("title = ", "title = " + json.dumps(f"A\0{SIGNS}") + " # ")
    (folder / "competition.toml").write_text(toml, encoding="utf-8")
    done = cli_here("all", *QUICK)
    for sign in (*SIGNS.replace("[31m", ""), "\0"):
        assert sign not in done.stdout + done.stderr
    with (workspace / "output" / "twin-binary" / "submission.csv").open(encoding="utf-8", newline="") as file:
        assert [row[0] for row in csv.reader(file)][1:] == ids["test"]
    twice = (folder / "test.csv").read_text(encoding="utf-8").replace(ids["test"][1], ids["test"][0])
    (folder / "test.csv").write_text(twice, encoding="utf-8", newline="")
    done = cli_here("all", *QUICK, code=2)
    assert "\x1b" not in done.stderr
    assert "\\x1b" in done.stderr


def test_columns_ids_and_texts_of_half_a_sign_become_a_sign_of_their_own(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"id": "\\ud800", "te\\udfffxt": "a\\ud83d"}\n', encoding="ascii")
    frame = read_table(path).frame
    assert (list(frame), frame.iloc[0].tolist()) == (["id", "te\ufffdxt"], ["\ufffd", "a\ufffd"])
    path.write_text('{"\\ud800": 1, "\\ud801": 2}\n', encoding="ascii")
    with pytest.raises(InputError, match="two columns have the name"):
        read_table(path)


@pytest.mark.parametrize("title", ["a\0b", 'x"""\nimport os', "\\", "\u202e\x1b", "\udc80", "'''\\N{", "# %% main"])
def test_whatever_the_title_the_kernel_compiles_and_does_what_it_did(title):
    plain, odd = (make_script(Kernel("slug", ["all"], title=text, built_by=text), {}) for text in ("A", title))
    bodies = [ast.parse(script).body[1:] for script in (plain, odd)]  # without the docstring
    assert ast.dump(ast.Module(bodies[0], [])) == ast.dump(ast.Module(bodies[1], []))
    assert odd.encode().decode() == odd


@pytest.mark.parametrize("header", [b"2 " + b"9" * 5000 + b"\n", b"1 " + b"9" * 11 + b"\n"])
def test_a_header_of_vectors_with_numbers_that_none_can_be(tmp_path, header):
    for name in ("v.bin", "v.vec"):
        path = tmp_path / name
        path.write_bytes(header + b"a" + np.ones(2, dtype="<f4").tobytes() * 3)
        with pytest.raises(InputError):
            read_vectors(VectorFile(path), {"a"})


def test_what_is_no_file_of_vectors_is_given_up_early(tmp_path):
    path = tmp_path / "v.vec.gz"
    path.write_bytes(gzip.compress(b"a 1 2\nb 3 4\nc 5 6\n" + b"\n" * (3 * MOST_MALFORMED)))
    with pytest.raises(InputError, match="most rows are no word with its numbers"):
        read_vectors(VectorFile(path), {"a"})


def test_a_table_of_too_many_columns_or_of_one_with_2000_is_soon_told(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(",".join(f"c{place}" for place in range(100_000)) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="100,000 columns, and a table may have 2,000"):
        read_table(path)
    path.write_text(json.dumps([{f"c{place}": 1 for place in range(3000)}]), encoding="utf-8")
    with pytest.raises(InputError, match="columns"):
        read_table(path.rename(tmp_path / "train.json"))


def test_of_millions_of_errors_the_first_are_listed_and_all_counted():
    errors = Errors("x.csv")
    for line in range(5000, 0, -1):
        errors.add("odd", line)
    with pytest.raises(InputError) as caught:
        errors.raise_if_any()
    assert str(caught.value).splitlines()[:2] == ["x.csv: 5,000 errors", "  line 1: odd"]
    assert str(caught.value).splitlines()[-1] == "  … and 4,990 more"


def test_names_of_files_that_are_no_text(cli_here, workspace):
    odd = workspace / "input" / "twin-binary" / "odd\udcff\x1b.csv"
    odd.write_bytes(b"id,text\n")
    cli_here("folds", *QUICK)


def test_paths_of_a_slug_stay_below_their_folders(tmp_path):
    paths = resolve("..x", tmp_path, tmp_path, tmp_path)
    assert paths.output.parent == tmp_path
    assert Path(paths.input).parent == tmp_path
