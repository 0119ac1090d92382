"""The command of this extension. What it needs is imported when it runs: `--help` must not wait for torch."""

from typing import Annotated

import typer

from foldwise.errors import InputError
from foldwise.options import LOCAL, Checkpoints, EngineName, RayAddress
from foldwise.run import Run


def search(
    run: Run,
    time_budget: Annotated[
        str | None,
        typer.Option("--time-budget", metavar="TIME", help="Be done by then, the final training included: 15m, 2h."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", min=1, help="Stop after so many, earlier commands' included.")
    ] = None,
    search_folds: Annotated[
        list[int] | None,
        typer.Option("--search-folds", metavar="K", help="Try recipes on this fold; repeatable. Default: 0 and 1."),
    ] = None,
    engine: EngineName = LOCAL,
    ray_address: RayAddress = None,
    checkpoints: Checkpoints = None,
) -> None:
    """Try recipes with other values on a few folds, train the best on all; the same command goes on, or joins in."""
    from foldwise.cli import find_extension, with_engine
    from foldwise.search.outcome import conclude
    from foldwise.search.search import search_recipes

    if time_budget is None and trials is None:
        raise InputError("search: say when it ends, with --time-budget 15m or --trials 20, or both")
    budget = find_extension("--time-budget")(time_budget) if time_budget is not None else None
    conclude(search_recipes(with_engine(run, engine, ray_address, checkpoints), budget, trials, search_folds))
