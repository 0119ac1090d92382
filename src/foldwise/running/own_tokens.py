"""Tokens of members that read the texts themselves, in `output/SLUG/MEMBER/tokens/`, made once, before its folds.

They are kept as long as tables, text columns, the learner's files and its settings are the same.
"""

from itertools import chain
from typing import Any

import torch

from foldwise.clock import Clock
from foldwise.console import duration, say, warn
from foldwise.ensembling.blend import finished_folds
from foldwise.errors import RunError
from foldwise.files import atomic_folder, write_record
from foldwise.freshness import Wanted, differences, own_token_inputs, shared, why_make_tokens
from foldwise.learners import Learner, learner_for
from foldwise.paths import TOKENS_RECORD
from foldwise.run import Run
from foldwise.running.placement import count_cores
from foldwise.training.fold import GivenUpError
from foldwise.training.precision import Runtime, choose_precision

SHARE = 0.5  # of the time that a budget leaves: what no fold is left for is not worth making


def make_own_tokens(run: Run, wanted: Wanted, device: torch.device) -> Wanted:
    """Make the own tokens of the members to train; → the folds without members whose tokens a time budget forbids.

    Raises:
        RunError: the time budget leaves no fold at all.
    """
    late = []
    for member in dict.fromkeys(member for (member, *_), _ in wanted):
        learner = learner_for(run.config.recipe.of_member(member))
        if learner.reads_texts and not update_tokens(run, member, learner, device):
            late.append(member)
    left = [(fit, inputs) for fit, inputs in wanted if fit.member not in late]
    if late and not left and not any(finished_folds(run)[0].values()):
        raise RunError(f"the time budget is too short to read the texts for {', '.join(late)}; give more")
    return left


def update_tokens(run: Run, member: str, learner: Learner, device: torch.device) -> bool:
    """Make the tokens of one member unless they are up to date; false if a time budget leaves too little time."""
    folder, inputs = run.paths.own_tokens(member), own_token_inputs(run, learner)
    with shared(run, folder, inputs):
        why = why_make_tokens(run, differences(folder, TOKENS_RECORD, inputs))
        if not why:
            return True
        return make_tokens(run, member, learner, device, inputs, why)


def make_tokens(
    run: Run, member: str, learner: Learner, device: torch.device, inputs: dict[str, Any], why: str
) -> bool:
    """Make them of `inputs`, and say `why`; false as above."""
    folder = run.paths.own_tokens(member)
    competition, start = run.competition, Clock.now()
    tables = [competition.train_texts, competition.test_texts]
    counts = [len(competition.train_ids), len(competition.test_ids)]
    if competition.extra and learner.recipe.training.extra_weight:
        tables.append(competition.extra.texts)
        counts.append(len(competition.extra.ids))
    texts = learner.choose_columns([list(chain(*parts)) for parts in zip(*tables, strict=True)], run.config.columns)
    # All cores, whatever the folds have: nothing else runs now.
    runtime = Runtime(device, choose_precision(learner.recipe.training.precision, device), count_cores())
    until = run.budget.deadline if run.budget else None
    deadline = None if until is None else start + SHARE * (until - start)
    try:
        with atomic_folder(folder, TOKENS_RECORD) as temporary:
            made = learner.write_tokens(texts, counts, learner.find_files(run.paths), temporary, runtime, deadline)
            write_record(temporary / TOKENS_RECORD, {"inputs": inputs})
    except GivenUpError:
        warn(f"{member}: left out; reading the texts would take more than {SHARE:.0%} of the time left")
        return False
    say("tokens", f"{member}: made {made}, in {duration(Clock.now() - start)} ({why})")
    return True
