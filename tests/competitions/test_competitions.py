"""The contests known by name: each configuration loads, and fits the files of its twin."""

import pytest

from contest_files import CONTESTS, KNOWN, SLUGS, config_of, contest_rows
from foldwise.config import Config


def header_of(config: Config, stem: str) -> list[str]:
    return contest_rows(config.competition.slug, stem, config.files.quotes)[0]


def test_each_contest_has_a_twin():
    assert len(SLUGS) == 14
    assert sorted(path.name for path in CONTESTS.iterdir() if path.is_dir() and path.name != "__pycache__") == SLUGS


@pytest.mark.parametrize("slug", SLUGS)
def test_a_contest_is_called_as_its_file(slug):
    section = config_of(slug).competition
    assert section.slug == slug
    assert section.title


@pytest.mark.parametrize("slug", SLUGS)
def test_a_contest_says_what_is_special_about_it(slug):
    lines = (KNOWN / f"{slug}.toml").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("slug", SLUGS)
def test_columns_are_those_of_the_files(slug):
    """Every column is named in the configuration, so that none is an error, and every name is there."""
    config = config_of(slug)
    columns, files = config.columns, config.files
    ids = {name: [] if name in files.numbered else [columns.id] for name in ("train", "test", "sample_submission")}
    train, test, sample = (header_of(config, getattr(files, name)) for name in ids)
    beside = [name for name in (columns.weight, columns.group) if name]
    learnt = {*columns.target, *columns.auxiliary, *columns.subgroups, *beside}
    shared = {*columns.text, *columns.features}
    assert {*ids["train"], *shared, *learnt} <= set(train) <= {*ids["train"], *shared, *learnt, *columns.ignore}
    assert {*ids["test"], *shared} <= set(test) <= {*ids["test"], *shared, *beside, *columns.ignore}
    assert not set(test) & {*columns.target} - shared
    assert set(ids["sample_submission"]) <= set(sample)


@pytest.mark.parametrize("slug", SLUGS)
def test_ids_of_the_sample_are_those_of_the_test_set(slug):
    config = config_of(slug)
    columns, files = config.columns, config.files
    test, sample = (contest_rows(slug, stem, files.quotes) for stem in (files.test, files.sample_submission))
    assert len(test) == len(sample)
    assert len(contest_rows(slug, files.train, files.quotes)) - 1 == 20
    if "sample_submission" not in files.numbered:
        test_ids, sample_ids = ([row[rows[0].index(columns.id)] for row in rows[1:]] for rows in (test, sample))
        assert test_ids == sample_ids
        assert len(set(test_ids)) == len(test_ids)


@pytest.mark.parametrize("slug", SLUGS)
def test_what_is_set_does_nothing_twice(slug):
    """A file name or a recipe field that says what holds anyway is left out."""
    config = config_of(slug)
    for section in (
        config.files,
        config.recipe,
        *(getattr(config.recipe, name) for name in config.recipe.model_fields_set),
    ):
        for name in getattr(section, "model_fields_set", ()):
            assert getattr(section, name) != type(section).model_fields[name].default, name


def test_quirks_are_in_the_twins():
    """What makes these files hard to read stands in them, or the tests from CSV to submission prove less."""
    raw = {slug: (CONTESTS / slug / name).read_bytes() for slug, name in [
        ("word2vec-nlp-tutorial", "labeledTrainData.tsv.zip"),
        ("detecting-insults-in-social-commentary", "train.csv"),
        ("jigsaw-toxic-comment-classification-challenge", "train.csv.zip"),
        ("feedback-prize-english-language-learning", "train.csv"),
        ("nlp-getting-started", "train.csv"),
        ("sentiment-analysis-on-movie-reviews", "train.tsv.zip"),
    ]}  # fmt: skip
    assert b'<br /><br />A 9\\" screen will do."\n' in raw["word2vec-nlp-tutorial"]
    assert b'\\xa0 And that is ""it""."""\n' in raw["detecting-insults-in-social-commentary"]
    assert b'"""\n\n' in raw["jigsaw-toxic-comment-classification-challenge"]
    assert b"\r\n\r\n" in raw["feedback-prize-english-language-learning"]
    assert b",,,@" in raw["nlp-getting-started"]
    assert b"%20" in raw["nlp-getting-started"]
    assert b"\tNone\t" in raw["sentiment-analysis-on-movie-reviews"]
    assert (
        b",-1,-1,-1,-1,-1,-1\n"
        in (CONTESTS / "jigsaw-toxic-comment-classification-challenge" / "test_labels.csv.zip").read_bytes()
    )
