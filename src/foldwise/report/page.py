"""Stage report: `output/<slug>/report.html`, one file that shows how a run went and what is wrong with it.

    ./run.sh report -c SLUG

Nothing is loaded from anywhere: style and script stand in the page, and its security policy allows nothing else.
Another section is a function of `Results` (`foldwise.report.results`) that gives `Markup`, and a line in `SECTIONS`;
where it has nothing to say it gives an empty one.
"""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

from foldwise.clock import Clock
from foldwise.console import duration, say
from foldwise.errors import DamagedError, InputError
from foldwise.extensions import load_extension
from foldwise.files import write_text
from foldwise.report import classes, leaks, scores, spread, worst
from foldwise.report.markup import Markup, element, escape, join
from foldwise.report.reading import read_made, read_results
from foldwise.report.results import Results
from foldwise.run import Run

Section = Callable[[Results], Markup]


def of_extension(spec: str) -> Section:
    """The section that another extension gives, "module:function"; an empty one where its folder is not there."""

    def section(results: Results) -> Markup:
        try:
            found: Section = load_extension(spec, spec)
        except InputError:
            return Markup("")
        return found(results)

    return section


SECTIONS: list[tuple[str, Section]] = [
    ("Scores", scores.scores),
    ("Learning curves", scores.learning_curves),
    ("Learning-rate range test", scores.rate_test),
    ("Members", scores.members),
    ("Confusion", classes.confusion),
    ("Classes and labels", classes.per_class),
    ("Thresholds", classes.thresholds),
    ("Calibration", classes.calibration),
    ("Residuals", spread.residuals),
    ("Kinds of rows", spread.kinds_of_rows),
    ("Test beside out-of-fold", spread.test_beside),
    ("Worst rows", worst.worst_rows),
    ("Labels that are probably wrong", worst.suspects),
    ("Duplicates", leaks.repeated),
    ("Train against test", leaks.shift),
    ("Ids and order", leaks.order),
    ("Search for a recipe", of_extension("foldwise.search.section:searched")),
    ("Recipe", scores.recipe),
]


def report(run: Run) -> None:
    """Write report.html from what the other stages left; InputError where no run has ended, or a file is damaged."""
    start = Clock.now()
    try:
        results = read_results(run, read_made(run))
    except DamagedError as error:
        stage = "find-lr" if error.phrases[0].startswith(run.paths.rates.name) else "all"
        raise InputError(f"{error}; run `{run.hint(stage)}` to make it again") from error
    path = run.paths.output / "report.html"
    page = build_page(results)
    write_text(path, page)
    say("report", f"wrote {path}: {len(page.encode()) / 1e6:.1f} MB, in {duration(Clock.now() - start)}")


def build_page(results: Results) -> str:
    """The whole page."""
    run = results.run
    style, script = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    allowed = f"style-src {hash_source(style)}; script-src {hash_source(script)}"
    policy = f"default-src 'none'; img-src data:; {allowed}; base-uri 'none'; form-action 'none'"
    shown = [(title, content) for title, section in SECTIONS if (content := section(results))]
    links = [element("a", title, href=f"#section-{number}") for number, (title, _) in enumerate(shown)]
    title = run.config.competition.title or run.paths.slug
    parts = [
        Markup('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", f"foldwise: {run.paths.slug}"),
        Markup(f"<style>{style}</style></head><body><main>"),
        element("h1", title),
        element("nav", join(*links)),
    ]
    for number, (title, content) in enumerate(shown):
        parts.append(element("section", join(element("h2", title), content), id=f"section-{number}"))
    return join(*parts, Markup(f"</main><script>{script}</script></body></html>\n"))


def hash_source(content: str) -> str:
    """How a security policy names an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
