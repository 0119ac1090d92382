"""Folds that train side by side, as a person sees them."""

from foldwise.console import Progress, duration, say
from foldwise.events import Evaluated, Finished, GivenUp, Noted, Started, Stepped

BAR = "{desc} {percentage:3.0f}%|{bar}| {remaining} {rate_fmt}{postfix}"  # fits 80 columns


class FoldDisplay:
    """On a terminal a bar for each fold; elsewhere a line for each evaluation, and one for a minute without any."""

    def __init__(self) -> None:
        self.bars: dict[int, Progress] = {}  # by worker slot, which is the bar's place on the terminal

    def update(self, slot: int, name: str, event: object) -> None:
        """Show an event of the fold `name`, which runs in worker `slot`; other kinds of events show nothing."""
        match event:
            case Started():
                looks = {"position": slot, "bar_format": BAR, "unit": "it", "initial": event.done}
                self.bars[slot] = Progress("train", event.steps, "steps (fewer if it stops early)", name, looks)
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
                say("train", f"{name}: given up, there is no time for its epochs")
            case Finished():
                self.remove(slot)
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
        """Clear the bars of folds that did not end."""
        for slot in list(self.bars):
            self.remove(slot)
