"""The end of a search: the best recipe on all folds, the recipe as it was beside it, and what came out."""

from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

from foldwise.console import say, warn
from foldwise.lock import hold
from foldwise.search.figures import Unseen, list_folds, write_figures
from foldwise.search.search import LEAST, Search
from foldwise.search.trial import make_run, train_folds


def conclude(search: Search) -> None:
    """The best recipe on all folds, beside the recipe as it was, and what came out."""
    study, run, best = search.study, search.run, search.study.best
    default, name = study.default, study.name_of(best.number)
    found = finish(search, best, "the best")
    before = None
    if default and default.number != best.number and search.time_left() > LEAST:
        before = finish(search, default, "the recipe as it is, to compare")
    metric, seen = run.config.competition.metric, list_folds(search.folds)
    unseen = compare_unseen(found, before, search.folds) if found and before else None
    write_figures(study, run.paths, metric, search.folds, ended=True, unseen=unseen)
    ends = [len(study.trials(state)) for state in (study.states.COMPLETE, study.states.PRUNED, study.states.FAIL)]
    say("search", f"{sum(ends)} trials: {ends[0]} finished, {ends[1]} pruned, {ends[2]} failed")
    changed = ", ".join(best.user_attrs["set"]) or "the recipe as it is"
    say("search", f"best: {name}: {changed}")
    if default:
        gain = best.value - default.value
        say("search", f"{metric} on {seen}: {best.value:.4f}; recipe as it is: {default.value:.4f} ({gain:+.4f})")
    if found:
        trained = [entry["fold"] for entry in found["folds"]]
        score = f"{metric} of {list_folds(trained)}: {found['cv']['mean']:.4f}"
        against = f"; recipe as it is: {before['cv']['mean']:.4f}" if before and best.number else ""
        say("search", f"{score}{against}; submission: {make_run(run, name, ()).paths.submission}")
    if found and before:
        say("search", unseen.tell(metric) if unseen else "no fold is left that was not searched")
    elif best.number:
        say("search", "the two are not compared yet on folds that were not searched; run the same command again")
    if unseen and not (unseen.gain > 0 if study.greater else unseen.gain < 0):
        say("search", "on the folds that were not searched your own recipe does as well: keep it, or search longer")
    elif best.number and not run.debug:
        say("search", f"next: `{run.hint('restore', name)}` makes it the recipe of competition.toml")


def finish(search: Search, trial: Any, what: str) -> dict[str, Any] | None:
    """Train a trial's other folds, as far as the time allows; → summary.json, None where somebody else does it."""
    run = make_run(search.run, search.study.name_of(trial.number), trial.user_attrs["set"])
    with hold(run.paths.output) as ours:
        if not ours:
            warn(f"{run.paths.experiment}: another process trains its other folds, so this one leaves them to it")
            return None
        say("search", f"{run.paths.experiment}: {what}, now on its other folds")
        return train_folds(replace(run, budget=search.budget))


def compare_unseen(found: dict[str, Any], before: dict[str, Any], searched: list[int]) -> Unseen | None:
    """The best and the recipe as it was, by their summaries; None where all folds were searched."""
    ours, default = ({fold["fold"]: fold["score"] for fold in summary["folds"]} for summary in (found, before))
    folds = sorted(ours.keys() & default.keys() - set(searched))
    if not folds:
        return None
    gains = [ours[fold] - default[fold] for fold in folds]
    return Unseen(
        folds=folds,
        score=fmean(ours[fold] for fold in folds),
        default=fmean(default[fold] for fold in folds),
        standard_error=stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else None,
    )
