"""`./run.sh competitions` on the real command line."""

import shutil

import pytest

from contest_files import CONTESTS, KNOWN, SLUGS


@pytest.fixture
def entries(cli_here):
    """What is listed: slug → the lines of its entry as one text."""

    def run() -> dict[str, str]:
        found: dict[str, str] = {}
        table = cli_here("competitions").stdout.split("files belong")[0]
        for line in table.splitlines()[3:]:
            if line.strip() and not line.startswith(" "):
                slug = line.split()[0]
                found[slug] = ""
            found[slug] += line + "\n"
        return found

    return run


def test_known_contests_come_first_and_then_your_own(entries):
    listed = entries()
    assert list(listed) == [*SLUGS, "twin-binary", "twin-multiclass", "twin-multilabel", "twin-regression"]
    assert "not there" in listed["quora-insincere-questions-classification"]
    assert "binary" in listed["twin-binary"]
    assert "f1" in listed["twin-binary"]
    assert "train, test, sample_submission" in listed["twin-binary"]
    assert "in place" in listed["twin-binary"]


def test_data_in_place_and_data_missing(entries, workspace):
    folder = workspace / "input" / "learn-ai-bbc"
    shutil.copytree(CONTESTS / "learn-ai-bbc", folder)
    listed = entries()["learn-ai-bbc"]
    assert "in place" in listed
    assert "BBC News Train, BBC News Test, BBC News Sample Solution" in listed
    (folder / "BBC News Test.csv").unlink()
    assert "missing: BBC News Test" in entries()["learn-ai-bbc"]


def test_your_own_settings_of_a_known_contest_are_the_ones_listed(entries, workspace):
    folder = workspace / "input" / "nlp-getting-started"
    shutil.copytree(CONTESTS / "nlp-getting-started", folder)
    source = (KNOWN / "nlp-getting-started.toml").read_text()
    (folder / "competition.toml").write_text(source.replace('metric = "f1"', 'metric = "mcc"'))
    listed = entries()
    assert "mcc" in listed["nlp-getting-started"]
    assert len(listed) == len(SLUGS) + 4


def test_faulty_settings_of_one_competition_leave_the_others_listed(entries, workspace):
    (workspace / "input" / "twin-binary" / "competition.toml").write_text("[competition]\nslug = 1\n")
    listed = entries()
    assert "faulty competition.toml" in listed["twin-binary"]
    assert "in place" in listed["twin-multiclass"]


def test_a_piped_list_fits_100_columns(cli_here, workspace):
    shown = cli_here("competitions").stdout
    table = shown.split("files belong")[0]
    assert max(len(line.rstrip()) for line in table.splitlines()) <= 100
    assert "jigsaw-unintended-bias-in-toxicity-classification " in table
    assert str(workspace / "input") in shown.replace("\n", "")
