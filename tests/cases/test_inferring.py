"""Cases of what init reads from the tables: it writes what `all` accepts, or says what to do."""

import tomllib

import pytest

from case_files import QUICK, submitted


def columns(workspace, slug):
    """[columns] and [files] of the competition.toml that init wrote."""
    content = tomllib.loads((workspace / "input" / slug / "competition.toml").read_text(encoding="utf-8"))
    return content["columns"], content.get("files", {})


@pytest.mark.case("06-unnamed-index")
def test_an_index_column_is_ignored_where_there_is_an_id_and_else_the_id(cli_here, workspace):
    assert "ignore = '': not used" in cli_here("init", "demo").stdout
    assert columns(workspace, "demo")[0] == {"id": "id", "text": ["text"], "target": ["label"], "ignore": [""]}
    cli_here("all", "-c", "demo", *QUICK)
    assert submitted(workspace, "demo")[0] == "id,label"
    cli_here("init", "named")
    assert columns(workspace, "named")[0] == {"id": "Unnamed: 0", "text": ["text"], "target": ["label"]}
    cli_here("folds", "-c", "named", "--set", "folds.n=2")


@pytest.mark.case("13-label-column-in-test")
def test_a_target_that_test_has_too_is_what_the_sample_asks_for(cli_here, workspace):
    for slug in ("demo", "minus", "zero"):
        for options in ((), ("--target", "label"), ("--target", "label", "--task", "binary", "--kind", "label")):
            cli_here("init", slug, "--force", *options)
            assert columns(workspace, slug)[0] == {"id": "id", "text": ["text"], "target": ["label"]}
    cli_here("all", "-c", "minus", *QUICK)
    header, *rows = submitted(workspace, "minus")
    assert (header, len(rows)) == ("id,label", 20)
    assert {row.split(",")[1] for row in rows} <= {"0", "1"}


@pytest.mark.case("13-label-column-in-test")
def test_a_target_that_test_has_too_under_the_samples_other_name(cli_here, workspace):
    for slug in ("demo", "minus", "zero"):
        sample = workspace / "input" / slug / "sample_submission.csv"
        sample.write_text(sample.read_text(encoding="utf-8").replace("id,label", "id,prediction"), encoding="utf-8")
        cli_here("init", slug)
        assert columns(workspace, slug)[0] == {"id": "id", "text": ["text"], "target": ["label"]}


@pytest.mark.case("16-duplicate-ids")
@pytest.mark.parametrize("options", [(), ("--id", "id")])
def test_repeated_ids_are_named_with_their_lines(cli_here, workspace, options):
    message = cli_here("init", "demo", *options, code=2).stderr
    assert "train.csv: 1 error\n  line 52, column id: id '7' is already on line 8; keep one of the two" in message
    assert not (workspace / "input" / "demo" / "competition.toml").exists()


@pytest.mark.case("16-duplicate-ids")
def test_the_advice_for_repeated_ids_works(cli_here, workspace):
    assert "give the column another name in this table" in cli_here("init", "demo", code=2).stderr
    train = workspace / "input" / "demo" / "train.csv"
    train.write_text(train.read_text(encoding="utf-8").replace("id,text", "number,text"), encoding="utf-8")
    cli_here("init", "demo")
    assert columns(workspace, "demo") == (
        {"id": "id", "text": ["text"], "target": ["label"], "ignore": ["number"]},
        {"numbered": ["train"]},
    )
    cli_here("folds", "-c", "demo", "--set", "folds.n=2")


@pytest.mark.case("16-duplicate-ids")
def test_ids_that_excel_rounded(cli_here):
    message = cli_here("init", "excel", code=2).stderr
    expected = (
        "line 3, column id: id '1.27E+18' is already on line 2; Excel saves long ids so, without their last digits"
    )
    assert expected in message
    assert message.count("already on line") == 10
    assert "… and 89 more" in message


@pytest.mark.case("17-no-id")
def test_tables_without_ids_are_numbered(cli_here, workspace):
    shown = cli_here("init", "demo").stdout
    assert "numbered = train, test, sample_submission: no ids there: rows count from 1" in shown
    cli_here("all", "-c", "demo", *QUICK)
    header, *rows = submitted(workspace, "demo")
    assert (header, len(rows)) == ("label", 20)
    for options in ((), ("--id", "id")):
        cli_here("init", "rowid", "--force", *options)
        assert columns(workspace, "rowid")[1] == {"numbered": ["train"]}
    cli_here("folds", "-c", "rowid", "--set", "folds.n=2")


@pytest.mark.case("17-no-id")
def test_rows_that_neither_ids_nor_order_match(cli_here, workspace):
    sample = workspace / "input" / "demo" / "sample_submission.csv"
    sample.write_text("\n".join(sample.read_text(encoding="utf-8").splitlines()[:11]) + "\n", encoding="utf-8")
    message = cli_here("init", "demo", code=2).stderr
    assert "sample_submission.csv: has 10 rows and no id column that test.csv has, which has 20 rows" in message


@pytest.mark.case("33-empty-test")
@pytest.mark.parametrize("options", [(), ("--id", "id", "--text", "text", "--target", "label")])
def test_an_empty_test_table(cli_here, options):
    assert (
        "test.csv: 1 error\n  a header and no rows; download it again"
        in cli_here("init", "demo", *options, code=2).stderr
    )


@pytest.mark.case("55-two-label-columns")
def test_two_columns_of_labels_have_a_way_out_that_works(cli_here, workspace):
    message = cli_here("init", "demo", code=2).stderr
    assert "the targets 'topic', 'mood' hold labels" in message
    assert "give --target topic for the first" in message
    assert "for --target mood and so on" in message
    sample = [row.split(",") for row in (workspace / "input/demo/sample_submission.csv").read_text().splitlines()]
    for target, place in (("topic", 1), ("mood", 2)):
        cli_here("init", "demo", "--force", "--target", target)
        cli_here("all", "-c", "demo", "--force", *QUICK)
        rows = [row.split(",") for row in submitted(workspace, "demo")]
        assert rows[0] == ["id", "topic", "mood"]
        assert [[*row[:place], *row[place + 1 :]] for row in rows] == [[*r[:place], *r[place + 1 :]] for r in sample]
        assert {row[place] for row in rows[1:]} <= ({"x", "y", "z"} if target == "topic" else {"good", "bad"})
