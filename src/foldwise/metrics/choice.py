"""Which metric a competition asks for: a name of the table with its arguments, or a function of the user's own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from foldwise.arguments import INSIDE, Range, check_arguments
from foldwise.errors import InputError, did_you_mean, list_names, with_article
from foldwise.metrics.registry import METRICS, Metric
from foldwise.plugins import as_input_error, is_own, load
from foldwise.tasks import PLURALS, TASKS, Kind, Truth

AT = re.compile(r"(.+)@([1-9][0-9]{0,5})")  # map@3

# What an argument must be, in words, and whether a number is that.
PARAMETERS: dict[str, Range] = {
    "beta": ("a number above 0, at most 1,000,000", lambda value: 0 < value <= 1e6),
    "quantile": INSIDE,
    "k": ("a whole number from 1 on", lambda value: value >= 1 and value == int(value)),
}


@dataclass(frozen=True)
class MetricChoice:
    """Which metric is asked for, as competition.toml says it."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    takes: Kind = "label"  # of a function of the user's own
    greater_is_better: bool = True  # the same


def table_name(name: str) -> tuple[str, dict[str, Any]]:
    """A metric's name in the table, and the argument that stands in the given one: `map@3` is `map@k` with k = 3."""
    found = AT.fullmatch(name)
    return (f"{found[1]}@k", {"k": int(found[2])}) if found else (name, {})


def check_name(name: str) -> str:
    """A name of the table or of the user's own code, as `mine:metric`; ValueError for another."""
    known, given = table_name(name)
    if is_own(name) or (known in METRICS and (given or not known.endswith("@k"))):
        return name
    if known in METRICS:
        raise ValueError(f"give k as a number, such as {known.replace('@k', '@3')}")
    names = [other.replace("@k", "@3") for other in METRICS]
    otherwise = "input/README.md lists all (F2 is fbeta with beta = 2); your own function is module:function"
    raise ValueError(f"no such metric; {did_you_mean(known.replace('@k', '@3'), names, otherwise)}")


def metric_for(asked: MetricChoice | str, task: str) -> Metric:
    """The metric with its arguments, if it is defined for the task.

    Raises:
        InputError: another task, an argument too many, missing or out of range, or a function that cannot be imported.
    """
    asked = MetricChoice(asked) if isinstance(asked, str) else asked
    if is_own(asked.name):
        return own_metric(asked, task)
    found, given = look_up(asked.name, task), table_name(asked.name)[1]
    if asked.arguments.keys() & given.keys():
        raise InputError(f"competition.metric = {asked.name!r}: k stands there; take it out of metric_arguments")
    check_parameters(asked.name, found.parameters, {**asked.arguments, **given})
    return bind(found, {**asked.arguments, **given})


def look_up(name: str, task: str) -> Metric:
    """The metric of the table, without its arguments; InputError if it is not defined for the task."""
    truth, (known, _) = TASKS[task].truth, table_name(name)
    fitting = [other for other, metric in METRICS.items() if meaning(metric, truth)]
    if known not in fitting:
        shown = list_names([other.replace("@k", "@3") for other in fitting], quoted=False)
        where = f"competition.metric = {name!r} is not for {with_article(task)} task"
        raise InputError(f"{where}; choose one of {shown} (input/README.md)")
    found = meaning(METRICS[known], truth)
    assert found is not None
    return found


def own_metric(asked: MetricChoice, task: str) -> Metric:
    """A metric of the user's own function; an error in it is an `InputError`, whenever it is called."""
    where, spec = f"competition.metric = {asked.name!r}", TASKS[task]
    kinds = [*spec.kinds, *(["value"] if spec.y == "columns" else [])]
    if asked.takes not in kinds:
        raise InputError(f"competition.metric_takes = {asked.takes!r}: {task} has none; one of {', '.join(kinds)}")
    function = load(asked.name, "competition.metric")
    if not callable(function):
        raise InputError(f"{where}: {type(function).__name__} is not a function")

    def call(truth: np.ndarray, predictions: np.ndarray) -> float:
        given = [flat(part) for part in (truth, predictions)]
        shapes = " and ".join(f"{part.dtype} {part.shape}" for part in given)
        expected = f"; it was given truth and {PLURALS[asked.takes]}, {shapes}, and must return a number"
        with as_input_error(f"{where}: the call fails: ", expected):
            return float(function(*given, **asked.arguments))

    return Metric(call, asked.greater_is_better, asked.takes, (spec.truth,), own=True)


def flat(part: np.ndarray) -> np.ndarray:
    """A view that a user's function cannot change, (N,) of a single column."""
    view = part[:, 0] if part.ndim == 2 and part.shape[1] == 1 else part.view()
    view.flags.writeable = False
    return view


def find_named(name: str | None) -> Metric | None:
    """The metric of the table, for whatever task and without its arguments; None of no name and of the user's own."""
    return METRICS[table_name(name)[0]] if name is not None and not is_own(name) else None


def meaning(metric: Metric, truth: Truth) -> Metric | None:
    """What a metric of the table is for targets of this form, None where nothing."""
    if truth in metric.fits:
        return metric
    return metric.of_values if metric.of_values and truth in metric.of_values.fits else None


def check_parameters(name: str, parameters: tuple[str, ...], given: Mapping[str, Any]) -> None:
    """Refuse arguments that a metric of the table does not take, that lack, and values out of range."""
    check_arguments("competition.metric_arguments", name, given, {key: PARAMETERS[key] for key in parameters})
    for argument in parameters:
        if argument not in given:
            example = f"{argument} = {0.9 if argument == 'quantile' else 2}"
            raise InputError(
                f"competition.metric = {name!r}: needs {argument}, {PARAMETERS[argument][0]}; write metric_arguments = "
                f"{{ {example} }} into [competition] (of init: --metric-argument {example.replace(' ', '')})"
            )


def bind(metric: Metric, arguments: Mapping[str, Any]) -> Metric:
    """The metric with its functions' arguments given."""
    if not arguments:
        return metric
    of_column = metric.of_column and partial(metric.of_column, **arguments)
    return replace(metric, function=partial(metric.function, **arguments), of_column=of_column, arguments=arguments)


def submitted_values(name: str, task: str, values: np.ndarray) -> np.ndarray:
    """Values as the metric's contest wants them, whole or not below 0; every score is of the same."""
    named = find_named(name)
    metric = meaning(named, TASKS[task].truth) if named else None
    return metric.submitted(values) if metric and metric.submitted else values
