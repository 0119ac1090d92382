"""Cases of large and odd tables, of word vectors, and of what is not there yet: one clear message each."""

import gzip
import json
import sys

import pytest

from case_files import QUICK, submitted
from foldwise.cli import main
from foldwise.config import Tokens
from foldwise.data.table import read_table
from foldwise.data.tokenizer import build_tokenizer

WIDEST = 500  # characters of a line that is still read


@pytest.mark.case("20-newlines-quotes-long")
def test_line_ends_quotes_and_a_very_long_row_are_read_exactly(cli_here, workspace):
    folder = workspace / "input" / "demo"
    train = next(folder.glob("train.csv.gz"))
    content = gzip.decompress(train.read_bytes())
    text = "a " * 500_000 + 'said "no"\r\nand,went'
    quoted = text.replace('"', '""')
    train.write_bytes(gzip.compress(content.rstrip() + f'\r\n"long","{quoted}",1\r\n'.encode(), mtime=0))
    table = read_table(train)
    assert table.column(table.frame.columns[1])[-1] == text
    cli_here("init", "demo")
    cli_here("all", "-c", "demo", *QUICK)
    sample = (folder / "sample_submission.csv").read_text(encoding="utf-8").splitlines()
    assert len(submitted(workspace, "demo")) == len(sample)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("हिन्दी विकिपीडिया क्या आपके", ["हिन्दी", "विकिपीडिया", "क्या", "आपके"]),
        ("بصدّقك وإحنا دايماً مُحَمَّد", ["بصدّقك", "وإحنا", "دايماً", "مُحَمَّد"]),
        ("می‌خواهم کتاب‌ها را بخوانم", ["می‌خواهم", "کتاب‌ها", "را", "بخوانم"]),
        ("ශ්‍රී ලංකාව", ["ශ්‍රී", "ලංකාව"]),
        ("മലയാളം ന്‍റെ", ["മലയാളം", "ന്‍റെ"]),
        ("great 👍🏽 family 👨‍👩‍👧 flag 🇩🇪 heart ❤️", ["great", "👍🏽", "family", "👨‍👩‍👧", "flag", "🇩🇪", "heart", "❤️"]),
    ],
)
def test_marks_joiners_and_emoji_stay_in_one_token(text, expected):
    """Case 24."""
    tokenizer = build_tokenizer(Tokens(), {})
    normal = tokenizer.normalizer.normalize_str(text)
    assert [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)] == expected


@pytest.mark.case("08-bool-labels")
def test_a_thousand_classes_of_four_rows(cli_here, workspace):
    """Case 26, made here: every class is in all folds but one, and no message becomes a page."""
    folder = workspace / "input" / "many"
    folder.mkdir()
    rows = [f"{number},item{number % 1000} word{number},cat {number % 1000}" for number in range(4000)]
    (folder / "train.csv").write_text("\n".join(["id,text,label", *rows]) + "\n")
    ids = [f"t{number}" for number in range(20)]
    (folder / "test.csv").write_text("\n".join(["id,text", *(f"{id_},item{id_[1:]}" for id_ in ids)]) + "\n")
    (folder / "sample_submission.csv").write_text("\n".join(["id,label", *(f"{id_},cat 0" for id_ in ids)]) + "\n")
    cli_here("init", "many")
    shown = cli_here("folds", "-c", "many", "--set", "folds.n=5")
    assert "1,000 classes that a fold has no row of" in shown.stderr
    assert "and 990 more" in shown.stderr
    debug = cli_here("all", "-c", "many", *QUICK, "--set", "folds.n=5", "--debug")
    for line in (shown.stdout + shown.stderr + debug.stdout + debug.stderr).splitlines():
        assert len(line) <= WIDEST
    assert len((workspace / "output" / "many-debug" / "submission.csv").read_text().splitlines()) == 21


@pytest.mark.case("34-vector-files")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("head", "vectors cover"),
        ("nohead", "vectors cover"),
        ("wronghead", "malformed rows skipped: 1"),
        ("blanks", "malformed rows skipped: 2"),
    ],
)
def test_files_of_word_vectors_are_read(cli_here, name, said):
    cli_here("init", "demo")
    shown = cli_here("tokens", "-c", "demo", "--set", f"tokens.vectors={name}").stdout
    assert "25.9% of words (25.9% as written), 90.9% of tokens" in shown
    assert said in shown


@pytest.mark.case("34-vector-files")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cut", "cut.vec.gz: cut short or damaged"),
        ("page", "no page.txt, .vec, .bin"),
        ("ft", "of a fastText model take the .vec file"),
        ("ppmi", "no usable row: line 1: not all values are finite numbers"),
        ("own.kv", "'own.kv': no own.kv.txt"),
        ("semi", "a line must be a word and its numbers with spaces between"),
        ("missing", "'missing': no missing.txt"),
    ],
)
def test_what_is_no_file_of_word_vectors_is_named(cli_here, name, message):
    cli_here("init", "demo")
    assert message in cli_here("tokens", "-c", "demo", "--set", f"tokens.vectors={name}", code=2).stderr


@pytest.mark.case("46-kaggle-kernel")
def test_the_title_of_a_kernel_resolves_to_its_id(cli_here, workspace):
    slug = "My_Contest.2024"
    cli_here("init", slug)
    cli_here("kernel", "build", "-c", slug, "--user", "ada", *QUICK)
    text = (workspace / "output" / slug / "kernel" / "kernel-metadata.json").read_text()
    metadata = json.loads(text)
    assert metadata["id"] == f"ada/{metadata['title'].lower().replace('_', '-').replace('.', '-').replace(' ', '-')}"
    assert metadata["enable_internet"] is False
    assert metadata["competition_sources"] == [slug]


@pytest.mark.case("42-new-csv")
def test_new_rows_want_a_sample_and_a_command_that_is_there(cli_here, workspace):
    cli_here("init", "demo")
    cli_here("all", "-c", "demo", *QUICK)
    cli_here("kernel", "build", "--infer", "-c", "demo", "--user", "ada", *QUICK)
    (workspace / "input" / "demo" / "sample_submission.csv").unlink()
    weights = str(workspace / "output" / "demo" / "kernel-infer-dataset")
    refused = cli_here("infer", "-c", "demo", "--weights", weights, code=2).stderr
    assert "no table 'sample_submission'; put sample_submission.csv" in refused


@pytest.mark.case("43-stacking-external")
def test_predictions_of_another_model_are_no_member(cli_here):
    cli_here("init", "demo")
    refused = cli_here("folds", "-c", "demo", "--set", "members.other.file=other_oof.csv", code=2).stderr
    assert "recipe.members.other.file = 'other_oof.csv': unknown key; known here: seed, seeds, folds" in refused


@pytest.mark.case("54-infer-without-user")
def test_a_kernel_without_a_user_says_how_to_name_one(cli_here, workspace, monkeypatch, capfd):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(workspace))
    cli_here("init", "demo")
    assert "to push it, build it with --user NAME" in cli_here("kernel", "build", "-c", "demo").stdout
    push = ["kernel", "push", "-c", "demo", "--output", str(workspace / "output")]
    monkeypatch.setattr(sys, "argv", ["foldwise", *push])
    with pytest.raises(SystemExit, match="2"):
        main()
    told = "built without a Kaggle user, for a try at home; run `./run.sh kernel build -c demo --output"
    assert told in (error := capfd.readouterr().err)
    assert "--user NAME`, with the name in your profile's address" in error
