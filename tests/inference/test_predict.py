"""The command predict and `Model` against the submission of the run they come from, and on texts that it did not know."""

import gzip
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from conftest import command, environment
from foldwise.data.table import Table, read_table
from foldwise.errors import DamagedError, InputError
from foldwise.files import write_checked
from foldwise.inference.given import take_columns
from foldwise.inference.home import open_trained
from foldwise.inference.model import Model
from foldwise.inference.predictor import Predictor
from foldwise.inference.stream import Asked, predict, run_parts, take_parts
from foldwise.inference.writing import Writer
from foldwise.running.placement import Placement
from forked import start_program
from inference.twins import CASES, other_test, rows_of, table, write_rows

SLUG, ONE_TEXT = "twin-regression", "twin-binary"


@pytest.fixture
def home(packed) -> Callable[[str], Path]:
    """Of a competition: the root of the folders of its home run."""
    return lambda slug: packed(slug)[0]


@pytest.fixture
def model(home) -> Callable[[str], Model]:
    return lambda slug: Model.load(home(slug) / "output" / slug, input=home(slug) / "input", device="cpu")


@pytest.fixture
def copy(home, workspace) -> Path:
    """The home run of `SLUG`, for the command line to work on; the folder of its results."""
    for name in ("input", "output"):
        shutil.copytree(home(SLUG) / name / SLUG, workspace / name / SLUG, dirs_exist_ok=True)
    return workspace / "output" / SLUG


@pytest.fixture(autouse=True)
def same_torch():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def read_test(home: Path, slug: str, loaded: Model) -> Table:
    """The test table as strings."""
    config = loaded.config
    return read_table(table(home / "input" / slug, config.files.test), config.files.format_of("test"))


def behind_submission(home: Path, slug: str, ids: list[str]) -> np.ndarray:
    """(M, C) numbers of submission_probabilities.csv, in the order of these ids."""
    rows = {row[0]: row[1:] for row in rows_of(home / "output" / slug / "submission_probabilities.csv")[1:]}
    return np.array([rows[row_id] for row_id in ids], dtype=np.float64)


def as_number(label: object) -> object:
    """1 for 1, "1" and "1.0", however a sample writes it."""
    return float(str(label)) if str(label).replace(".", "").isdigit() else label


@pytest.mark.parametrize("slug", CASES)
def test_the_test_table_gives_the_numbers_and_labels_of_the_submission(home, model, slug):
    loaded, root = model(slug), home(slug)
    test = read_test(root, slug, loaded)
    given = take_columns(loaded.config, test)
    proba = loaded.predict(test.frame, proba=True)
    assert proba.tobytes() == behind_submission(root, slug, given.ids).tobytes()
    if loaded.config.submission.kind == "label":
        header, *submitted = rows_of(root / "output" / slug / "submission.csv")
        labels = [row[-1] for row in submitted]
        if len(header) == 2:  # in the order of the sample
            of_id = dict(submitted)
            labels = [of_id[row_id] for row_id in given.ids]
        assert list(map(as_number, loaded.predict(test.frame))) == list(map(as_number, labels))
    vectors = loaded.embed(test.frame[:0])
    assert loaded.predict(test.frame[:0], proba=True).shape == (0, proba.shape[1])
    assert vectors.shape == (0, loaded.embed(test.frame).shape[1])


def in_parts(loaded: Model, root: Path, slug: str, file: Path, rows: int, what: str = "proba") -> list[list[str]]:
    """The rows that predict writes, in parts of so many."""
    asked, manifest = Asked(root / "output" / slug, root / "input", "cpu", what), loaded.predictor.source.manifest
    written = io.StringIO(newline="")
    writer = Writer(written, manifest.config, manifest.targets, np.array(manifest.thresholds), what)
    run_parts(asked, take_parts(loaded.predictor, file, rows), Placement(1), writer, 1)
    return [line.split(",") for line in written.getvalue().splitlines()]


@pytest.mark.parametrize("slug", CASES)
def test_a_row_gets_the_same_whatever_part_it_is_in(home, model, tmp_path, slug):
    loaded, root = model(slug), home(slug)
    folder = root / "input" / slug
    file = tmp_path / table(folder, "test").name
    # new words in every row, and one that comes again in another part
    text = rows_of(table(folder, "test"))[0].index(loaded.config.columns.text[-1])
    header, *rows = rows_of(table(folder, "test"))
    for number, row in enumerate(rows):
        row[text] += f" zorp{number} quux"
    write_rows(file, [header, *rows])
    whole = in_parts(loaded, root, slug, file, 100)
    for size in (1, 3):
        parts = in_parts(loaded, root, slug, file, size)
        assert [row[0] for row in parts] == [row[0] for row in whole]
        numbers = [np.array([row[1:] for row in table_[1:]], dtype=np.float64) for table_ in (parts, whole)]
        assert np.abs(numbers[0] - numbers[1]).max() <= 1e-6 * max(1, np.abs(numbers[1]).max())
    if loaded.task != "regression":
        labels = [in_parts(loaded, root, slug, file, size, "labels") for size in (100, 3)]
        assert labels[0] == labels[1]


def test_parts_in_worker_processes_are_written_in_order(home, tmp_path, capfd):
    root, out = home(ONE_TEXT), tmp_path / "found.csv"
    file = tmp_path / "some.tsv"
    write_rows(file, other_test(root / "input" / ONE_TEXT))
    capfd.readouterr()  # what making the folds said
    predict(Asked(root / "output" / ONE_TEXT, root / "input", "cpu", "proba"), file, out, rows=20)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "predict   56 rows to" in shown.err
    loaded = Model.load(root / "output" / ONE_TEXT, root / "input", "cpu")
    frame = read_table(file).frame
    expected = loaded.predict(frame, proba=True)
    found = pd.read_csv(out, dtype={"id": str})
    assert found["id"].tolist() == frame["id"].tolist()
    assert found["prediction"].to_numpy()[:, None] == pytest.approx(expected, abs=1e-6)


def test_vectors_of_new_words_are_their_own(home):
    root = home(ONE_TEXT)
    for slug in (ONE_TEXT, "twin-multilabel"):  # from a file, where zorp and quux stand, and random ones
        predictor = Predictor(*open_trained(home(slug) / "output" / slug, root / "input"), "cpu")
        together = predictor.find_vectors(["zorp", "nowhere", "quux"], np.ones(3))
        for place, word in enumerate(["zorp", "nowhere", "quux"]):
            predictor.find_vectors.known.clear()
            assert predictor.find_vectors([word], np.ones(1))[0].tobytes() == together[place].tobytes()
        assert np.abs(together[0] - together[1]).max() > 1e-3
        if slug == ONE_TEXT:
            rows = dict(line.split(" ", 1) for line in (root / "input/embeddings/small.vec").read_text().splitlines())
            assert together[0] == pytest.approx(np.array(rows["zorp"].split(), dtype=np.float32))
            assert "nowhere" not in rows


def test_vectors_are_what_the_head_reads(home, model):
    loaded, slug = model(ONE_TEXT), ONE_TEXT
    frame = read_test(home(slug), slug, loaded).frame
    vectors = loaded.embed(frame)
    assert vectors.dtype == np.float32
    (member,) = [name for name in loaded.predictor.loaded if name == "bilstm"]
    given = take_columns(loaded.config, read_test(home(slug), slug, loaded))
    folder = home(slug) / "output" / slug / member / "fold0"
    heads = [load_file(path) for path in sorted(folder.glob("weights*.safetensors"))]
    with loaded.predictor.read(given.texts, given.features, [member]) as (rows, _):
        fold = loaded.predictor.folds_of(member)[0]
        data = rows.of_member(loaded.predictor.source, member, None)
        pooled, predicted = fold.embed(data, lambda _: None), fold.predict(data, lambda _: None)
    assert len(heads) == 2  # snapshots, whose mean each is
    assert pooled.shape[1] == heads[0]["head.weight"].shape[1] == vectors.shape[1]
    single = pooled.astype(np.float64) @ np.mean([head["head.weight"] for head in heads], axis=0).T
    assert np.corrcoef(single[:, 0], predicted[:, 0])[0, 1] > 0


def test_python_values_and_what_is_none(model):
    loaded = model(ONE_TEXT)
    texts = ["a fine film", "", "one\0two", "zorp 😀"]
    found = loaded.predict(texts, proba=True)
    assert found.shape == (4, 1)
    assert (loaded.predict(texts) == (found[:, 0] >= loaded.thresholds[0])).all()
    for same in (pd.Series(texts), np.array(texts), tuple(texts), pd.DataFrame({"text": texts}), {"text": texts}):
        assert loaded.predict(same, proba=True).tobytes() == found.tobytes()
    with_none = loaded.predict(
        {"text": ["a fine film", pd.NA, "one\0two", "zorp 😀"], "more": [1, 2, 3, 4]}, proba=True
    )
    assert with_none.tobytes() == found.tobytes()
    assert (loaded.task, len(loaded.names)) == ("binary", 1)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(3)
    loaded.predict(texts)
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before[0])
    assert torch.are_deterministic_algorithms_enabled() == before[1]
    for wrong, message in (
        ("a text", "'a text' is no list; give a list of texts"),
        ({"text": "a text"}, "column text: 'a text' is no list"),
        (None, "None is no list"),
        (np.array([["a", "b"]]), "row 1, column text: .* is no text"),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "several columns 'text'; give one"),
        ([b"bytes"], "row 1, column text: b'bytes' is no text; give a str"),
        ({"txt": texts}, "no column 'text'; did you mean 'txt'"),
        ({"text": texts, "id": ["1"]}, "columns of 1 and 4 rows; make them equally long"),
    ):
        with pytest.raises(InputError, match=message):
            loaded.predict(wrong)
    with pytest.raises(InputError, match="a list, and this competition reads 'title', 'text', 'words'"):
        model(SLUG).predict(texts)


def test_a_folder_is_where_it_was_when_the_model_was_loaded(home, monkeypatch, tmp_path):
    monkeypatch.chdir(home(ONE_TEXT))
    loaded = Model.load(f"output/{ONE_TEXT}", input="input", device="cpu")
    monkeypatch.chdir(tmp_path)
    assert loaded.predict(["a text"], proba=True).shape == (1, 1)


def test_packed_weights_give_the_same(packed, model):
    root, weights, _ = packed(SLUG)
    loaded = Model.load(weights, root / "input", "cpu")
    frame = read_test(root, SLUG, loaded).frame
    assert loaded.predict(frame, proba=True).tobytes() == model(SLUG).predict(frame, proba=True).tobytes()
    assert str(loaded) == "Model(twin-regression, regression: bilstm folds 0, 1)"
    ranked = Model.load(packed("twin-multilabel")[1], root / "input", "cpu")
    with pytest.raises(InputError, match="ranks are those among the test rows, which packed weights have not"):
        ranked.predict(["a text"])


def test_the_command_on_tables_of_all_forms(packed, copy, cli_here, workspace):
    """Other columns, none of them an id, in another order; nothing is written to the results."""
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    rows = [
        ["more", "words", "title", "text"],
        *(["x", "3", "a", f"film {n}, \0 and\r so"] for n in range(3)),
        ["", "", "", ""],
    ]
    rows[-1][0] = "y"
    folder = workspace / "given"
    folder.mkdir()
    write_rows(folder / "some.csv", rows)
    (folder / "some.csv.gz").write_bytes(gzip.compress((folder / "some.csv").read_bytes()))
    write_rows(folder / "some.tsv", rows)
    objects = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    (folder / "some.json").write_text(json.dumps(objects))
    (folder / "some.jsonl").write_text("\n".join(map(json.dumps, objects)))
    found = set()
    for file in folder.iterdir():
        cli_here("predict", str(file), "-c", SLUG, "--device", "cpu", "--out", str(workspace / "out.csv"))
        found.add((workspace / "out.csv").read_text())
    (lines,) = found
    assert [line.split(",")[0] for line in lines.splitlines()] == ["id", "1", "2", "3", "4"]
    shown = cli_here("predict", str(file), "-c", SLUG, "--device", "cpu", "--proba")
    assert shown.stdout.splitlines()[0] == "id,prediction"
    weights = str(packed(SLUG)[1])
    again = cli_here("predict", str(file), "-c", SLUG, "--device", "cpu", "--proba", "--weights", weights)
    assert again.stdout == shown.stdout
    out = workspace / "vectors.npy"
    cli_here("predict", str(folder / "some.csv"), "-c", SLUG, "--device", "cpu", "--embed", "--out", str(out))
    as_rows = cli_here("predict", str(folder / "some.csv"), "-c", SLUG, "--device", "cpu", "--embed").stdout
    numbers = np.array([line.split(",")[1:] for line in as_rows.splitlines()[1:]], dtype=np.float64)
    assert np.load(out).astype(np.float64) == pytest.approx(numbers)
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("title,txt,words\na,b,1\n", (), "no column 'text'; did you mean 'txt'?"),
        ("title,text\na,b\n", (), "no column 'words'; there are 'title', 'text'"),
        (
            "a text\nanother one\n",
            (),
            "no column 'title'; if these are texts without a name above them: ./run.sh predict -c … < some.csv",
        ),
        ("title,text,words\na,b,many\n", (), "line 2, column words: 'many' is not a number"),
        ("", (), "the file is empty"),
        ("title,text,words\n", (), "a header and no rows"),
        ("title,text,words\na,b\n", (), "line 2: 2 fields where the header has 3"),
        ("title,text,words\na,\udcff,1\n", (), "line 2: byte 0xff"),
        ("title,text,words\na,b,1\n", ("--proba", "--embed"), "--proba and --embed: a call gives one of the two"),
        ("title,text,words\na,b,1\n", ("--out", "found.npy"), "an .npy holds the vectors of --embed"),
        ("title,text,words\na,b,1\n", ("--name", "wide"), "'wide': no such experiment of"),
        ("title,text,words\na,b,1\n", ("--out", "some.csv"), "inputs or other results lie there; name another file"),
        ("title,text,words\na,b,1\n", ("--out", f"output/{SLUG}/submission.csv"), "other results lie there"),
        (None, (), "no such file; give a table"),
    ],
)
def test_what_cannot_be_predicted(copy, cli_here, workspace, monkeypatch, content, options, message):
    monkeypatch.chdir(workspace)
    if content is not None:
        Path("some.csv").write_bytes(content.encode(errors="surrogateescape"))
    shown = cli_here("predict", "some.csv", "-c", SLUG, *options, code=2)
    assert message in shown.stderr
    assert shown.stdout == ""
    assert not Path("found.npy").exists()


@pytest.mark.parametrize("text", ["a review", "long " * 100])
def test_a_text_in_the_place_of_the_file(cli_here, text):
    shown = cli_here("predict", text, "-c", SLUG, code=2)
    assert "no such file; give a table with the text columns, or - for a text a line" in shown.stderr


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def change(path: Path, **values: object) -> None:
    content = json.loads(path.read_text())
    del content["checksum"]
    write_checked(path, {**content, **values})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda at: (at / "ensemble.json").unlink(),
            f"{SLUG}: no ensemble.json, so there are no folds to predict with",
        ),
        (lambda at: flip(at / "ensemble.json"), "ensemble.json is damaged"),
        (lambda at: flip(at / "summary.json"), "summary.json is damaged"),
        (lambda at: change(at / "ensemble.json", thresholds=[0.1]), "ensemble.json is not of the run of summary.json"),
        (lambda at: flip(at / "bilstm/fold1/weights.safetensors"), "fold1: weights.safetensors is damaged"),
        (lambda at: (at / "bilstm/fold0/fold.json").unlink(), "fold0: fold.json is missing"),
        (lambda at: change(at / "bilstm/fold0/fold.json", seconds=0.0), "bilstm/fold0 was trained again since"),
        (lambda at: flip(at / "tokens/vocab.json"), "tokens: vocab.json is damaged"),
        (lambda at: change(at / "tokens/tokens.json", seconds=0.0), None),
        (lambda at: change(at / "tokens/tokens.json", inputs={"tokens": {"vocabulary": "train"}}), "from other tokens"),
        (
            lambda at: change(at / "ensemble.json", folds={"wide/bilstm": {}}),
            "a blend, whose folds .wide/bilstm. are in",
        ),
        (shutil.rmtree, f"{SLUG}: no ensemble.json"),
    ],
)
def test_results_that_are_not_whole(home, tmp_path, damage, message):
    shutil.copytree(home(SLUG) / "output" / SLUG, tmp_path / SLUG)
    damage(tmp_path / SLUG)
    if message is None:  # what the tokens were made from is the same
        open_trained(tmp_path / SLUG, home(SLUG) / "input")
        return
    with pytest.raises((InputError, DamagedError), match=message):
        open_trained(tmp_path / SLUG, home(SLUG) / "input")


def test_texts_on_standard_input(home, model, workspace):
    """In a process of its own: a text a line, what is said apart from the rows."""
    for name in ("input", "output"):
        shutil.copytree(home(ONE_TEXT) / name, workspace / name, dirs_exist_ok=True)
    texts = ["a fine film", "", 'it is, zorp, "bad"', "tab\there"]
    line = command(workspace, "predict", "-c", ONE_TEXT, "--proba", "--device", "cpu")
    given = "".join(f"{text}\n" for text in texts).encode()
    done = subprocess.run(line, env=environment(), input=given, capture_output=True, timeout=300, check=True)
    found = pd.read_csv(io.BytesIO(done.stdout), dtype={"id": str})
    assert found["id"].tolist() == ["1", "2", "3", "4"]
    assert found["prediction"].to_numpy()[:, None] == pytest.approx(
        model(ONE_TEXT).predict(texts, proba=True), abs=1e-6
    )
    assert b"4 rows to standard output" in done.stderr
    code, shown = start_program(line, closed_input=True).end()
    assert code == 2
    assert shown.startswith("error: standard input: empty"), shown
    assert shown.count("\n") == 1
