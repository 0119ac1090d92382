"""Make a 20-row twin of each contest known by name, in the file format of the contest. Run once; they are committed.

    python tests/data/contests/make_twins.py --source vader_snippets.csv

The texts are snippets of the ground-truth files of VADER (Hutto & Gilbert 2014, MIT licence, see input/README.md);
targets follow their rated valence (-4 … 4) and domain, so that there is something to learn and each fold of two has
each class. Nothing is random: the same source gives the same bytes.
"""

import argparse
import csv
import hashlib
import io
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPETITIONS = HERE.parents[2] / "src" / "foldwise" / "competitions"
TRAIN, TEST = 20, 6  # rows
IDENTITIES = [
    "asian", "atheist", "bisexual", "black", "buddhist", "christian", "female", "heterosexual", "hindu",
    "homosexual_gay_or_lesbian", "intellectual_or_learning_disability", "jewish", "latino", "male", "muslim",
    "other_disability", "other_gender", "other_race_or_ethnicity", "other_religion", "other_sexual_orientation",
    "physical_disability", "psychiatric_or_mental_illness", "transgender", "white",
]  # fmt: skip


@dataclass(frozen=True)
class Snippet:
    """A text, and what people thought of it."""

    id: str
    domain: str
    valence: float
    text: str


Row = Sequence[object]
Table = list[Row]  # the header first


def digest(*parts: object) -> int:
    """A number that depends on nothing but the parts."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big")


def code(slug: str, number: int, length: int) -> str:
    """An id of hexadecimal digits."""
    return hashlib.sha256(f"{slug} {number}".encode()).hexdigest()[:length]


def read_source(path: Path) -> list[Snippet]:
    """Snippets of 4 to 16 words, without what people would not say in public."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [Snippet(r["id"], r["domain"], float(r["valence"]), r["text"].strip()) for r in csv.DictReader(file)]
    rude = ("fuck", "shit", "damn", "bitch", "f*", "hell", "sex", "kill", "die", "suck", "wtf", "ass ", "http", "&")
    return [
        row for row in rows if 4 <= len(row.text.split()) <= 16 and not any(word in row.text.lower() for word in rude)
    ]


def draw(pool: list[Snippet], slug: str, *wanted: tuple[int, Callable[[Snippet], bool]]) -> list[Snippet]:
    """So many snippets of each kind, no text twice, mixed."""
    ordered = sorted(pool, key=lambda row: digest(slug, row.id))
    drawn: dict[str, Snippet] = {}
    for count, fits in wanted:
        fitting = [row for row in ordered if row.text not in drawn and fits(row)]
        drawn |= {row.text: row for row in fitting[:count]}
    return sorted(drawn.values(), key=lambda row: digest(slug, row.id))


def halves(pool: list[Snippet], slug: str, count: int = TRAIN, domain: str = "") -> list[Snippet]:
    """As many snippets rated badly as well."""
    in_domain = [row for row in pool if row.domain == domain or not domain]
    return draw(
        in_domain, slug, (count // 2, lambda row: row.valence < -1), (count - count // 2, lambda row: row.valence > 1)
    )


def unseen(pool: list[Snippet], slug: str, train: list[Snippet], count: int = TEST, domain: str = "") -> list[Snippet]:
    """Snippets for the test table."""
    rest = [row for row in pool if row not in train]
    return halves(rest, f"{slug} test", count, domain)


def bands(bounds: Sequence[float], count: int) -> list[tuple[int, Callable[[Snippet], bool]]]:
    """For `draw`: so many snippets rated between one bound and the next, for each pair."""
    return [(count, partial(between, low, high)) for low, high in pairwise(bounds)]


def between(low: float, high: float, row: Snippet) -> bool:
    """Whether a snippet is rated between two bounds."""
    return low < row.valence < high


def degree(row: Snippet, bounds: Sequence[float]) -> int:
    """Between which bounds a snippet is, counted from 0."""
    return sum(row.valence >= bound for bound in bounds[1:-1])


def bad(row: Snippet) -> int:
    """1 for a snippet rated badly."""
    return int(row.valence < 0)


def share(row: Snippet, raters: int = 6) -> float:
    """How many of a few raters found the snippet bad: near 1 for the worst, near 0 for the best."""
    return round(min(max((2.5 - row.valence) / 5, 0), 1) * raters) / raters


def passage(pool: list[Snippet], slug: str, start: str, between: str, number: int, first: Snippet) -> str:
    """A text of three snippets: `first`, and two of its domain rated alike."""
    alike = [r for r in pool if r.domain == first.domain and r != first and abs(r.valence - first.valence) < 0.7]
    others = sorted(alike, key=lambda row: digest(slug, number, row.id))[:2]
    return start + between.join([first.text, *(row.text for row in others)])


def comma(table: Table) -> bytes:
    """A CSV as pandas and Kaggle write it."""
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows(table)
    return file.getvalue().encode()


def tabbed(table: Table) -> bytes:
    """Tabs between values and no quotes anywhere."""
    return "".join("\t".join(str(value) for value in row) + "\n" for row in table).encode()


def literal(value: object) -> str:
    """A value in quotes, with its own quotes escaped by a backslash; numbers as they are."""
    return f'"{value.replace(chr(34), chr(92) + chr(34))}"' if isinstance(value, str) else str(value)


def plain(train: Table, test: Table, sample: Table) -> dict[str, bytes]:
    """The three files as most contests call them."""
    return {"train.csv": comma(train), "test.csv": comma(test), "sample_submission.csv": comma(sample)}


def zipped(name: str, content: bytes) -> bytes:
    """A .zip with one file, stored, without the time of day."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
        entry.create_system = 3
        archive.writestr(entry, content)
    return file.getvalue()


def quora(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    train = draw(pool, slug, (5, lambda row: row.valence < -1.5), (15, lambda row: row.valence > 1))
    test = unseen(pool, slug, train)
    ids = [code(slug, number, 20) for number in range(TRAIN + TEST)]
    return plain(
        [["qid", "question_text", "target"], *([i, r.text, bad(r)] for i, r in zip(ids, train, strict=False))],
        [["qid", "question_text"], *([i, r.text] for i, r in zip(ids[TRAIN:], test, strict=True))],
        [["qid", "prediction"], *([i, 0] for i in ids[TRAIN:])],
    )


def jigsaw_toxic(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    labels = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
    train = halves(pool, slug)
    test = unseen(pool, slug, train, 8)

    def marks(row: Snippet, number: int) -> list[int]:
        return [bad(row), *(int(bad(row) and (number + label) % 3 < 2) for label in range(1, 6))]

    def comment(row: Snippet, number: int) -> str:
        styles = ["{}", '"\n\n{}  "', "{}\n\nHave a good day", '"{}", said he']
        return styles[number % len(styles)].format(row.text)

    train_ids = [code(slug, number, 16) for number in range(TRAIN)]
    test_ids = [code(slug, 100 + number, 16) for number in range(len(test))]
    train_rows = [[i, comment(r, n), *marks(r, n)] for n, (i, r) in enumerate(zip(train_ids, train, strict=True))]
    test_rows = [[i, comment(r, n)] for n, (i, r) in enumerate(zip(test_ids, test, strict=True))]
    # Every fourth row of the test set was never scored.
    answers = [
        [i, *([-1] * 6 if n % 4 == 3 else marks(r, n))] for n, (i, r) in enumerate(zip(test_ids, test, strict=True))
    ]
    tables: dict[str, Table] = {
        "train.csv": [["id", "comment_text", *labels], *train_rows],
        "test.csv": [["id", "comment_text"], *test_rows],
        "sample_submission.csv": [["id", *labels], *([i, *[0.5] * 6] for i in test_ids)],
        "test_labels.csv": [["id", *labels], *answers],
    }
    return {f"{name}.zip": zipped(name, comma(table)) for name, table in tables.items()}


def jigsaw_bias(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    kinds = ["severe_toxicity", "obscene", "identity_attack", "insult", "threat"]
    counts = ["funny", "wow", "sad", "likes", "disagree"]
    header = ["id", "target", "comment_text", *kinds, *IDENTITIES, "created_date", "publication_id", "parent_id"]
    header += ["article_id", "rating", *counts, "sexual_explicit", "identity_annotator_count"]
    header += ["toxicity_annotator_count"]
    train = halves(pool, slug)
    test = unseen(pool, slug, train)
    table: Table = [header]
    for number, row in enumerate(train):
        target = share(row)
        parts = [round(target * (digest(slug, number, kind) % 3) / 3, 6) for kind in [*kinds, "sexual_explicit"]]
        # Nobody annotated the identities of every fifth comment.
        named = [["", 0.0, 0.4, 0.5, 1.0][1 + digest(slug, number, name) % 4] for name in IDENTITIES]
        who = named if number % 5 else [""] * len(IDENTITIES)
        date = f"2016-07-{number + 1:02d} 10:50:41.987077+00"
        place = [21, "" if number % 2 else 59848 + number, 317120, "approved" if target < 0.5 else "rejected"]
        numbers = [0, 0, 0, number, 0]
        raters = [0 if who[0] == "" else 4, 6]
        table.append([239000 + number, target, row.text, *parts[:5], *who, date, *place, *numbers, parts[5], *raters])
    ids = range(7097320, 7097320 + TEST)
    texts = [f"[ {row.text} ]\n\nDoes this apply too?" if n == 0 else row.text for n, row in enumerate(test)]
    return plain(
        table,
        [["id", "comment_text"], *zip(ids, texts, strict=True)],
        [["id", "prediction"], *([i, 0.0] for i in ids)],
    )


def disaster(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    train = halves(pool, slug, domain="tweet")
    test = unseen(pool, slug, train, domain="tweet")
    places = ["", "Birmingham", "Est. September 2012 - Bristol", "", "Paranaque City", "Live On Webcam, \u2192 here"]

    def cells(row: Snippet, number: int) -> list[object]:
        keyword = "" if number % 3 == 0 else ("bomb%20threat" if bad(row) else "ablaze")
        return [keyword, places[number % len(places)], row.text + ("\n#news" if number % 7 == 1 else "")]

    header = ["id", "keyword", "location", "text"]
    ids = [1, *range(4, 4 + 2 * (TRAIN - 1), 2)]
    test_ids = [0, 2, 3, 9, 11, 12]
    train_rows = [[i, *cells(row, n), bad(row)] for n, (i, row) in enumerate(zip(ids, train, strict=True))]
    return plain(
        [[*header, "target"], *train_rows],
        [header, *([i, *cells(row, n)] for n, (i, row) in enumerate(zip(test_ids, test, strict=True)))],
        [["id", "target"], *([i, 0] for i in test_ids)],
    )


def movie_phrases(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    """Two sentences of each degree, each whole and in part; a part may be "None" or stand there with a capital too."""
    bounds = [-4.0, -2.2, -0.8, 0.8, 2.2, 4.0]
    movies = [row for row in pool if row.domain == "movie" and '"' not in row.text]
    train = draw(movies, slug, *bands(bounds, 2))
    parts = {0: "None", 1: "The movie", 2: "the movie"}

    def phrases(rows: list[Snippet], sentence: int) -> list[list[object]]:
        return [
            [sentence + n, phrase, degree(row, bounds)]
            for n, row in enumerate(rows)
            for phrase in (row.text, parts.get(n, " ".join(row.text.split()[:3])) if sentence == 1 else row.text[:9])
        ]

    numbered = [[1 + n, *cells] for n, cells in enumerate(phrases(train, 1))]
    rest = phrases(unseen(movies, slug, train, 3), 8545)
    rest[3][1] = ""  # one phrase of the test set is empty
    test = [[156061 + n, *cells[:2]] for n, cells in enumerate(rest)]
    header = ["PhraseId", "SentenceId", "Phrase"]
    return {
        "train.tsv.zip": zipped("train.tsv", tabbed([[*header, "Sentiment"], *numbered])),
        "test.tsv.zip": zipped("test.tsv", tabbed([header, *test])),
        "sampleSubmission.csv": comma([["PhraseId", "Sentiment"], *([row[0], 2] for row in test)]),
    }


def spooky(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    authors = {"editorial": "EAP", "movie": "HPL", "product": "MWS"}
    kinds = [(n, lambda row, name=name: row.domain == name) for name, n in zip(authors, (7, 7, 6), strict=True)]
    train = draw(pool, slug, *kinds)
    test = draw([row for row in pool if row not in train], slug, *((2, fits) for _, fits in kinds))
    ids = [f"id{digest(slug, number) % 28000:05d}" for number in range(TRAIN + TEST)]
    shares = [0.403493538995863, 0.287808366106543, 0.308698094897594]
    rows = [[i, row.text, authors[row.domain]] for i, row in zip(ids, train, strict=False)]
    tables: dict[str, Table] = {
        "train": [["id", "text", "author"], *rows],
        "test": [["id", "text"], *([i, row.text] for i, row in zip(ids[TRAIN:], test, strict=True))],
        "sample_submission": [["id", *authors.values()], *([i, *shares] for i in ids[TRAIN:])],
    }
    return {f"{name}.zip": zipped(f"{name}.csv", comma(table)) for name, table in tables.items()}


def popcorn(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    train = halves(pool, slug, domain="movie")
    test = unseen(pool, slug, train, domain="movie")

    def review(row: Snippet, number: int) -> str:
        styles = ['{}<br /><br />A 9" screen will do.', '"{}" says it all.', "{}", '{} So "they" say']
        return literal(styles[number % len(styles)].format(row.text))

    def name(row: Snippet, number: int) -> str:
        return literal(f"{digest(slug, number) % 12500}_{round(row.valence) + 5}")

    labelled = [[name(row, n), 1 - bad(row), review(row, n)] for n, row in enumerate(train)]
    asked = [[name(row, 100 + n), review(row, n)] for n, row in enumerate(test)]
    sample = "".join(f"{row[0]},0\n" for row in asked)
    return {
        "labeledTrainData.tsv.zip": zipped("labeledTrainData.tsv", tabbed([["id", "sentiment", "review"], *labelled])),
        "testData.tsv.zip": zipped("testData.tsv", tabbed([["id", "review"], *asked])),
        "sampleSubmission.csv": f"id,sentiment\n{sample}".encode(),
    }


def bbc(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    categories = ["business", "tech", "politics", "sport", "entertainment"]
    kinds = [
        (4, lambda row: row.domain == "editorial" and row.valence > 0),
        (4, lambda row: row.domain == "product"),
        (4, lambda row: row.domain == "editorial" and row.valence < -0.5),
        (4, lambda row: row.domain == "tweet"),
        (4, lambda row: row.domain == "movie"),
    ]
    train = draw(pool, slug, *kinds)
    test = draw([row for row in pool if row not in train], slug, *((2, fits) for _, fits in kinds[1:4]))

    def category(row: Snippet) -> str:
        return next(name for name, (_, fits) in zip(categories, kinds, strict=True) if fits(row))

    def article(row: Snippet, number: int) -> str:
        return passage(pool, slug, "", "  ", number, row).lower()

    ids = [digest(slug, number) % 2225 for number in range(TRAIN + TEST)]
    rows = [[i, article(row, n), category(row)] for n, (i, row) in enumerate(zip(ids, train, strict=False))]
    asked = [[i, article(row, 100 + n)] for n, (i, row) in enumerate(zip(ids[TRAIN:], test, strict=True))]
    sample = [[i, categories[(n + 3) % 5]] for n, i in enumerate(ids[TRAIN:])]
    return {
        "BBC News Train.csv": comma([["ArticleId", "Text", "Category"], *rows]),
        "BBC News Test.csv": comma([["ArticleId", "Text"], *asked]),
        "BBC News Sample Solution.csv": comma([["ArticleId", "Category"], *sample]),
    }


def insults(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    train = draw(pool, slug, (6, lambda row: row.valence < -1.5), (14, lambda row: row.valence > 0.5))
    test = unseen(pool, slug, train, 7)
    styles = ['"{}"', '"{}\\xa0 And that is "it"."', '"@you\\n\\n{}"', '"{} \\\\n\\\\nReally \\u2026"']

    def cells(row: Snippet, number: int) -> list[object]:
        date = "" if number % 4 == 3 else f"201206{18 + number % 3}19{10 + number}55Z"
        return [date, styles[number % len(styles)].format(row.text)]

    header = ["Insult", "Date", "Comment"]
    asked = [cells(row, n) for n, row in enumerate(test)]
    usage = ["PublicTest" if n % 3 else "PrivateTest" for n in range(len(test))]
    answers = [[bad(row), *cells, use] for row, cells, use in zip(test, asked, usage, strict=True)]
    return {
        "train.csv": comma([header, *([bad(row), *cells(row, n)] for n, row in enumerate(train))]),
        "test.csv": comma([header[1:], *asked]),
        "sample_submission_null.csv": comma([header, *([0, *row] for row in asked)]),
        "test_with_solutions.csv": comma([[*header, "Usage"], *answers]),
    }


def readability(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    train = halves(pool, slug, domain="editorial")
    test = unseen(pool, slug, train, domain="editorial")

    def cells(row: Snippet, number: int) -> list[object]:
        source = ["https://en.wikipedia.org/wiki/Clay", "CC BY-SA 3.0"] if number % 3 == 0 else ["", ""]
        return [*source, passage(pool, slug, "", "\n", number, row)]

    header = ["id", "url_legal", "license", "excerpt"]
    rows = [
        [code(slug, n, 9), *cells(row, n), repr(round(row.valence / 2 - 1, 9)), repr(0.45 + n / 1000)]
        for n, row in enumerate(train)
    ]
    asked = [[code(slug, 100 + n, 9), *cells(row, 100 + n)] for n, row in enumerate(test)]
    return plain(
        [[*header, "target", "standard_error"], *rows],
        [header, *asked],
        [["id", "target"], *([row[0], 0.0] for row in asked)],
    )


def learners(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    marks = ["cohesion", "syntax", "vocabulary", "phraseology", "grammar", "conventions"]
    train = halves(pool, slug)
    test = unseen(pool, slug, train)

    def mark(row: Snippet, number: int, name: str) -> float:
        return min(max(round(2 * (3 + row.valence / 2)) / 2 + digest(slug, number, name) % 3 / 2 - 0.5, 1), 5)

    rows = [
        [code(slug, n, 12).upper(), passage(pool, slug, "", "\r\n\r\n", n, row), *(mark(row, n, m) for m in marks)]
        for n, row in enumerate(train)
    ]
    asked = [
        [code(slug, 100 + n, 12).upper(), passage(pool, slug, "", "\r\n\r\n", 100 + n, row)]
        for n, row in enumerate(test)
    ]
    return plain(
        [["text_id", "full_text", *marks], *rows],
        [["text_id", "full_text"], *asked],
        [["text_id", *marks], *([row[0], *[3.0] * 6] for row in asked)],
    )


def essays(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    """Marks 1 … 4 of 6: in twenty rows each mark needs two for each fold."""
    bounds = [-4, -1.5, 0, 1.5, 4]
    train = draw(pool, slug, *bands(bounds, 5))
    test = unseen(pool, slug, train)
    rows = [
        [code(slug, n, 7), passage(pool, slug, "Dear Senator,\n\n", "\n\n", n, row), 1 + degree(row, bounds)]
        for n, row in enumerate(train)
    ]
    asked = [[code(slug, 100 + n, 7), passage(pool, slug, "", "\n\n", 100 + n, row)] for n, row in enumerate(test)]
    return plain(
        [["essay_id", "full_text", "score"], *rows],
        [["essay_id", "full_text"], *asked],
        [["essay_id", "score"], *([row[0], 3] for row in asked)],
    )


def quest(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    """Ten questions with two answers each."""
    with (COMPETITIONS / f"{slug}.toml").open("rb") as file:
        targets = tomllib.load(file)["columns"]["target"]
    header = ["qa_id", "question_title", "question_body", "question_user_name", "question_user_page", "answer"]
    header += ["answer_user_name", "answer_user_page", "url", "category", "host"]
    answers = halves(pool, slug)
    test = unseen(pool, slug, answers)
    asking = [row for row in pool if row not in answers + test]

    def cells(row: Snippet, number: int, question: int) -> list[object]:
        first = draw(asking, f"{slug} {question}", (1, lambda row: row.domain == "product"))[0]
        body = passage(asking, slug, "", "\n\n", question, first) + ("\n\n<code>x = 1</code>" if question % 2 else "")
        page = "https://stackoverflow.com/users/{}"
        return [
            first.text, body, f"user{question}", page.format(question), f"{row.text}\n", f"user{50 + number}",
            page.format(50 + number), f"http://stackoverflow.com/questions/{9000 + question}", "TECHNOLOGY",
            "stackoverflow.com",
        ]  # fmt: skip

    def shares(row: Snippet, number: int) -> list[float]:
        levels = [0.0, 1 / 3, 0.5, 2 / 3, 1.0]
        good = 1 - share(row, 4)
        return [levels[(round(good * 4) + digest(slug, number, target) % 3) % 5] for target in targets]

    rows = [[n, *cells(row, n, n // 2), *shares(row, n)] for n, row in enumerate(answers)]
    asked = [[39 + 7 * n, *cells(row, n, 100 + n)] for n, row in enumerate(test)]
    return plain(
        [[*header, *targets], *rows],
        [header, *asked],
        [["qa_id", *targets], *([row[0], *[0.00308] * 30] for row in asked)],
    )


def patents(pool: list[Snippet], slug: str) -> dict[str, bytes]:
    """Five anchors with four phrases each; the anchor says how well people thought of a thing, and so do the phrases."""
    train = halves(pool, slug, domain="product")
    test = unseen(pool, slug, train, domain="product")
    anchors = sorted(train, key=lambda row: row.valence)[::4]

    def phrase(row: Snippet) -> str:
        return " ".join(row.text.lower().rstrip(".!?").split()[:4])

    def pair(row: Snippet, number: int) -> list[object]:
        return [phrase(anchors[number % 5]), phrase(row), ["A47", "B60", "G06", "H04"][number // 5 % 4]]

    def score(row: Snippet, number: int) -> float:
        return round(max(1 - abs(row.valence - anchors[number % 5].valence) / 4, 0) * 4) / 4

    rows = [[code(slug, n, 16), *pair(row, n), score(row, n)] for n, row in enumerate(train)]
    asked = [[code(slug, 100 + n, 16), *pair(row, n)] for n, row in enumerate(test)]
    header = ["id", "anchor", "target", "context"]
    return plain(
        [[*header, "score"], *rows],
        [header, *asked],
        [["id", "score"], *([row[0], 0] for row in asked)],
    )


TWINS = {
    "quora-insincere-questions-classification": quora,
    "jigsaw-toxic-comment-classification-challenge": jigsaw_toxic,
    "jigsaw-unintended-bias-in-toxicity-classification": jigsaw_bias,
    "nlp-getting-started": disaster,
    "sentiment-analysis-on-movie-reviews": movie_phrases,
    "spooky-author-identification": spooky,
    "word2vec-nlp-tutorial": popcorn,
    "learn-ai-bbc": bbc,
    "detecting-insults-in-social-commentary": insults,
    "commonlitreadabilityprize": readability,
    "feedback-prize-english-language-learning": learners,
    "learning-agency-lab-automated-essay-scoring-2": essays,
    "google-quest-challenge": quest,
    "us-patent-phrase-to-phrase-matching": patents,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the 20-row twins of the contests known by name.")
    parser.add_argument("--source", type=Path, required=True, help="vader_snippets.csv: id, domain, valence, text")
    pool = read_source(parser.parse_args().source)
    for slug, make in TWINS.items():
        (HERE / slug).mkdir(exist_ok=True)
        for name, content in make(pool, slug).items():
            (HERE / slug / name).write_bytes(content)


if __name__ == "__main__":
    main()
