"""Cases that were always read right: they must stay so."""

import pytest

from case_files import QUICK, submitted


@pytest.mark.case("08-bool-labels")
def test_true_and_false_come_back_as_written(cli_here, workspace):
    cli_here("init", "demo")
    cli_here("all", "-c", "demo", *QUICK)
    header, *rows = submitted(workspace, "demo")
    assert header == "id,label"
    assert {row.split(",")[1] for row in rows} <= {"True", "False"}


@pytest.mark.case("14-sample-other-order")
def test_rows_come_in_the_order_of_the_sample(cli_here, workspace):
    cli_here("init", "demo")
    cli_here("all", "-c", "demo", *QUICK)
    sample = (workspace / "input" / "demo" / "sample_submission.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in submitted(workspace, "demo")] == [row.split(",")[0] for row in sample]
