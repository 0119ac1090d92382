"""Folds that train side by side, as a person sees them."""

from collections.abc import Sequence
from typing import Any

from tqdm.std import Bar

from foldwise import clock
from foldwise.clock import Clock
from foldwise.console import Progress, can_show, duration, rough, say
from foldwise.errors import printable
from foldwise.events import Evaluated, Finished, GivenUp, Noted, Started, Stepped
from foldwise.running.time_left import TimeLeft

WIDEST, NARROWEST, LEAST = 40, 10, 4  # columns of a bar: at most, before other things are left out, and at all


class FoldDisplay:
    """On a terminal a bar for each fold below a line of all; elsewhere a line for each evaluation, or each minute.

    Args:
        jobs: the names of all folds that are to be trained now, with that of their member and its epochs.
        at_once: how many of them train side by side.
        before: folds that this command has trained already.
        later: folds that it may train after these.
        budget: the time budget, where there is one.
    """

    def __init__(
        self,
        jobs: Sequence[tuple[str, str, float]] = (),
        at_once: int = 1,
        before: int = 0,
        later: int = 0,
        budget: Any = None,
    ) -> None:
        self.bars: dict[int, Progress] = {}  # by worker slot
        self.time, self.budget = TimeLeft(jobs, at_once, later), budget
        self.before, self.all = before, before + len(jobs) + later
        self.overall = Progress("train", line=lambda _, width: self.overall_line(width)) if jobs else None

    def update(self, slot: int, name: str, event: object) -> None:
        """Show an event of the fold `name`, which runs in worker `slot`; other kinds of events show nothing."""
        match event:
            case Started():
                if slot in self.bars:  # the same fold began before, on a machine that was lost
                    self.remove(slot)
                unit = "steps (fewer if it stops early)"
                bar = Progress("train", event.steps, unit, name, done=event.done, line=fold_line, place=slot + 1)
                self.bars[slot] = bar
                self.time.begin(name, bar)
            case Stepped():
                self.bars[slot].update(event.steps)
            case Evaluated():
                loss = "" if event.loss is None else f" loss {event.loss:.2f}"
                score = "none" if event.score is None else f"{event.score:.4f}"
                text = f"{event.epoch:.2f}{loss} score {score} lr {event.learning_rate:.0e}"
                self.bars[slot].note(f"epoch {text}{' best' * event.best}", short=f"ep {text}")
            case Noted():
                say("train", f"{name}: {event.text}")
            case GivenUp():
                self.remove(slot)
                self.time.end(name, None)
                say("train", f"{name}: given up, there is no time for its epochs")
            case Finished():
                self.remove(slot)
                self.time.end(name, event.seconds)
                best = "trained" if event.score is None else f"{event.score:.4f}"
                if event.padding or event.epochs > 1:  # a linear fit has neither epochs nor padding
                    best += f" at epoch {event.best_epoch:.2f} of {event.epochs:.2f}, {event.padding:.1%} padding"
                speed = f"{event.rows_per_second:,.0f} rows/s, {duration(event.seconds)}"
                stays = "" if event.written else "; the one that is there was trained longer and stays"
                say("train", f"{name}: {best}, {speed}{stays}")

    def remove(self, slot: int) -> None:
        """Clear the bar of a fold that ended."""
        self.bars.pop(slot).close()

    def close(self) -> None:
        """Clear the bars of folds that did not end, and the line of all."""
        for slot in list(self.bars):
            self.remove(slot)
        if self.overall:
            self.overall.close()

    def overall_line(self, width: int) -> str:
        """Folds done of all, and the time of the whole command: used and left, with a time budget the budget's."""
        done, used, about = self.before + self.time.done, Clock.now() - clock.STARTED, "about "
        left = self.time.left()
        if self.budget:
            used, left, about = self.budget.used, max(self.budget.seconds - self.budget.used, 0.0), "at most "
        whole = f"{done} of {self.all} folds done, {rough(used)} used"
        short, shortest = f"{done}/{self.all} folds, {clock_time(used)} used", f"{done}/{self.all} folds"
        if left is not None:
            whole += f", {about}{rough(left)} left"
            short, shortest = (f"{text}, {clock_time(left)} left" for text in (short, shortest))
        starting = whole if self.time.begun else f"{whole}, the first ones are starting"
        return next((text for text in (starting, whole, short) if len(text) <= width), shortest)


def fold_line(shown: Progress, width: int) -> str:
    """A fold's bar with what fits beside it of time left, epoch, loss, learning rate and speed; always the score.

    >>> bar = Progress("train", 100, "steps", "bilstm fold 0")
    >>> bar.done, bar.result = 50, "ep 1.50 loss 0.46 score 0.7012 lr 1e-03"
    >>> fold_line(bar, 40)
    'bilstm fold 0  50%|███▌   | score 0.7012'
    """
    done = shown.done / max(shown.total or 0, 1)
    words = shown.result.split()
    parts = dict(zip(words[::2], words[1::2], strict=False))  # ep, loss, score, lr
    texts = {} if shown.left is None else {"left": clock_time(shown.left)}
    texts |= {name: f"{name} {value}" for name, value in parts.items()}
    if (new := shown.done - shown.begun) and shown.seconds:
        rate = new / shown.seconds
        texts["speed"] = f"{rate:,.0f} steps/s" if rate >= 1 else f"{1 / max(rate, 1e-9):.1f} s/step"
    kept = ["score"] if "score" in texts else []
    head = f"{printable(shown.name)} {min(done, 1):4.0%}"

    def written(names: list[str]) -> str:
        return " ".join(texts[name] for name in texts if name in names)

    for name in ("left", "ep", "loss", "lr", "speed"):
        if name in texts and len(f"{head}|| {written([*kept, name])}") + NARROWEST <= width:
            kept.append(name)
    room = min(width - len(f"{head}|| {written(kept)}"), WIDEST)
    encoding = getattr(shown.screen.stream, "encoding", None) or "ascii"
    signs = Bar.UTF if can_show("█", encoding) else " #"
    bar = f"|{Bar(min(max(done, 0.0), 1.0), room, signs)}|" if room >= LEAST else ""
    line = f"{head}{bar} {written(kept)}".rstrip()
    return line if len(line) <= width else f"{head[: max(width - len(written(kept)) - 1, 0)]} {written(kept)}".strip()


def clock_time(seconds: float) -> str:
    """`4:05` or `1:30:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
