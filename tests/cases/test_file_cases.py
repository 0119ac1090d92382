"""Cases about how files are written: found by init, said, written into competition.toml, and read so from then on."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from case_files import QUICK, submitted


def files_of(workspace: Path, slug: str = "demo") -> dict[str, Any]:
    content = (workspace / "input" / slug / "competition.toml").read_text(encoding="utf-8")
    return tomllib.loads(content).get("files", {})


def edit(workspace: Path, old: str, new: str, slug: str = "demo") -> None:
    path = workspace / "input" / slug / "competition.toml"
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new), encoding="utf-8")


@pytest.mark.case("01-semicolon")
def test_semicolons_are_found_and_named_where_they_are_not_set(cli_here, workspace):
    shown = cli_here("init", "demo").stdout
    assert "separator = ;: train.csv has 3 columns in every row with it, and not with ','" in shown
    assert files_of(workspace) == {"separator": ";"}
    cli_here("all", "-c", "demo", *QUICK)
    lines = submitted(workspace, "demo")
    assert lines[0] == "id,label"
    assert {line.split(",")[1] for line in lines[1:]} <= {"0", "1"}
    edit(workspace, 'separator = ";"\n', "")
    message = cli_here("folds", "-c", "demo", code=2).stderr
    assert "columns seem to be separated by ';': set [files] separator = \";\"; `./run.sh init SLUG --force`" in message


@pytest.mark.case("02-excel-sep-line")
def test_excels_first_line_is_no_header(cli_here, workspace):
    assert "separator = ;: train.csv begins with Excel's 'sep=;'" in cli_here("init", "demo").stdout
    assert files_of(workspace) == {"separator": ";"}
    edit(workspace, 'separator = ";"\n', "")
    message = cli_here("folds", "-c", "demo", code=2).stderr
    assert (
        "line 1: this line of Excel's says that columns are separated by ';': set [files] separator = \";\"" in message
    )


@pytest.mark.case("03-latin1")
def test_latin_letters_come_out_right(cli_here, workspace):
    shown = cli_here("init", "demo").stdout
    assert "encoding = cp1252: 28 of 101 lines of train.csv are not UTF-8; line 8 is" in shown
    assert "café crème" in shown
    assert files_of(workspace) == {"encoding": "cp1252"}
    edit(workspace, 'encoding = "cp1252"\n', "")
    message = cli_here("folds", "-c", "demo", code=2).stderr
    assert "line 8: byte 0xe9 at position 17 is not UTF-8; say what it is, such as [files] encoding" in message
    assert all(len(line) <= 500 for line in message.splitlines())


@pytest.mark.case("05-tabs-in-csv")
def test_tabs_in_a_csv(cli_here, workspace):
    assert "separator = '\\t'" in cli_here("init", "demo").stdout
    assert files_of(workspace) == {"separator": "\t"}
    cli_here("folds", "-c", "demo", "--set", "folds.n=2")


@pytest.mark.case("17-no-id")
def test_rows_without_ids_are_numbered(cli_here, workspace):
    cli_here("init", "demo", "--numbered")
    assert files_of(workspace) == {"numbered": ["train", "test", "sample_submission"]}
    cli_here("init", "rowid", "--id", "id")
    assert files_of(workspace, "rowid") == {"numbered": ["train"]}
    edit(workspace, 'numbered = ["train", "test", "sample_submission"]\n', "")
    message = cli_here("folds", "-c", "demo", code=2).stderr
    assert "no column 'id'; there are 'text', 'label'; set [columns] id" in message
    assert '[files] numbered = ["train"]: rows then count from 1' in message


@pytest.mark.case("51-numbered-by-hand")
def test_rows_numbered_by_hand(cli_here, workspace):
    for slug, numbered in (("demo", '["train", "test", "sample_submission"]'), ("rowid", '["train"]')):
        (workspace / "input" / slug / "competition.toml").write_text(
            f'[competition]\nslug = "{slug}"\ntask = "binary"\nmetric = "accuracy"\n[files]\nnumbered = {numbered}\n'
            '[columns]\nid = "id"\ntext = ["text"]\ntarget = ["label"]\n[submission]\nkind = "label"\n'
        )
        cli_here("all", "-c", slug, *QUICK)
    assert submitted(workspace, "demo")[0] == "label"
    assert submitted(workspace, "rowid")[1].startswith("t0,")


@pytest.mark.case("19-backslash-quotes")
def test_quotes_with_a_backslash_before_them(cli_here, workspace):
    assert "escape = \\: quotes in train.csv have a backslash before them" in cli_here("init", "demo").stdout
    assert files_of(workspace) == {"escape": "\\"}
    cli_here("folds", "-c", "demo", "--set", "folds.n=2")
    edit(workspace, 'escape = "\\\\"\n', "")
    message = cli_here("folds", "-c", "demo", code=2).stderr
    assert "if texts have a backslash before their quotes, set [files] escape = '\\'" in message


@pytest.mark.case("21-other-formats")
def test_json_is_a_table_and_a_workbook_called_csv_is_named(cli_here, workspace):
    cli_here("init", "demo")
    assert files_of(workspace) == {}
    cli_here("all", "-c", "demo", *QUICK)
    assert submitted(workspace, "demo")[0] == "id,label"
    message = cli_here("init", "xlsx", code=2).stderr
    assert "train.csv: this is" in message
    assert "Excel workbook (.xlsx)" in message
    assert "save the sheet as CSV UTF-8" in message


@pytest.mark.case("21-other-formats")
def test_a_workbook_called_by_its_name_is_named(cli_here, workspace):
    (workspace / "input" / "xlsx" / "train.csv").rename(workspace / "input" / "xlsx" / "train.xlsx")
    assert (
        "no table 'train'; train.xlsx cannot be read as one; put train.csv" in cli_here("init", "xlsx", code=2).stderr
    )


@pytest.mark.case("21-other-formats")
def test_labels_apart_are_found_and_results_depend_on_them(cli_here, workspace):
    folder = workspace / "input" / "demo"
    rows = json.loads((folder / "train.json").read_text())
    (folder / "train.json").write_text(json.dumps([{"id": row["id"], "text": row["text"]} for row in rows]))
    labels = "\n".join(f'{{"id": "{row["id"]}", "label": {row["label"]}}}' for row in reversed(rows))
    (folder / "train_labels.jsonl").write_text(labels)
    assert "train_labels.jsonl has its ids and more" in cli_here("init", "demo").stdout
    assert files_of(workspace) == {"labels": "train_labels"}
    cli_here("all", "-c", "demo", *QUICK)
    oof = (workspace / "output" / "demo" / "oof.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in oof[1:]] == [str(row["label"]) for row in rows]
    cli_here("tokens", "-c", "demo", *QUICK)
    (folder / "train_labels.jsonl").write_text(
        labels.replace('"label": 0', '"label": 2', 1).replace('"label": 2', '"label": 1')
    )
    assert "labels changed" in cli_here("tokens", "-c", "demo", *QUICK).stdout
    assert "targets changed" in cli_here("train", "-c", "demo", *QUICK).stdout
