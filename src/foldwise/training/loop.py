"""The loop that all training shares: epochs, their parts, and steps. Between two steps it may end, and go on later."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from foldwise.clock import Clock
from foldwise.config import Training
from foldwise.data.batching import BucketBatchSampler, padding_share
from foldwise.data.dataset import Batch, TokenDataset, make_loader
from foldwise.events import Evaluated, Event, Noted, Stepped
from foldwise.training.state import TrainingState
from foldwise.training.trainer import Trainer, trim_heap

REPORT_SECONDS = 0.25  # between two reports of steps


def train_epoch(model: nn.Module, batches: Iterable[Batch], step: Callable[[Batch], Tensor]) -> list[Tensor]:
    """Train on each batch once, as every fold does; gives the losses, which stay on the device until they are read.

    Args:
        batches: such as a DataLoader's.
        step: `optimizer.zero_grad()`, the loss, `loss.backward()`, `optimizer.step()`; gives the detached loss.
    """
    model.train()
    return [step(batch) for batch in batches]


class Stage:
    """Training on some rows: what takes the steps, the batches, and how far it has come.

    A fold is one, the first of two stages is one, and so is the training of a model on all rows.

    Args:
        epochs: passes over the rows, unless its progress ends it before.
        parts: of an epoch, after each of which `run` gives its loss, so that it can be evaluated.
        last: step after which it ends, also within an epoch; None for that of the last epoch.
        before: steps of the stage before it.
    """

    def __init__(
        self,
        trainer: Trainer,
        dataset: TokenDataset,
        sampler: BucketBatchSampler,
        settings: Training,
        epochs: int,
        parts: int = 1,
        last: int | None = None,
        before: int = 0,
    ) -> None:
        self.trainer, self.dataset, self.sampler = trainer, dataset, sampler
        self.unfreeze_epoch, self.epochs, self.parts = settings.unfreeze_epoch, epochs, parts
        self.last, self.before = last, before
        self.epoch, self.part, self.batch = 0, 0, 0  # that come next
        self.step, self.done, self.over = 0, 0.0, False  # steps taken, progress, 0 … 1, and whether that was the last
        self.losses: list[tuple[Tensor, float, Tensor]] = []  # since the last evaluation
        self.train_seconds, self.since = 0.0, 0.0  # of the parts before; when the present one began, or ended
        self.padding = 0.0
        self.history: list[Evaluated] = []

    def run(
        self, progress: Callable[[int], float], report: Callable[[Event], object], state: TrainingState
    ) -> Iterator[float | None]:
        """Train from where it is to the end; gives the mean loss after each part of an epoch, None where all
        its steps were skipped.

        Args:
            progress: 0 … 1 after so many steps, which the learning rate follows.
            state: is saved between steps, and after what the caller does with a loss.

        Raises:
            StoppedError: the loss was not finite in too many steps.
            Interrupted: this process is asked to end; the state is saved.
        """
        device, peers, counter = self.trainer.runtime.device, self.trainer.peers, StepCounter(report)
        loader = make_loader(self.dataset, self.sampler, device)

        def step(batch: Batch) -> Tensor:
            self.trainer.rate.set(self.done)
            peers.before_step(self.sampler.seed, self.before + self.step)
            loss = self.trainer.step(batch.to(device))
            self.losses.append((loss, self.trainer.rate.value, batch.rows))
            self.step, self.batch = self.step + 1, self.batch + 1
            self.done = peers.ask_first(partial(progress, self.step))
            counter.count()
            state.after_step()
            return loss

        while self.epoch < self.epochs and not self.over:
            self.trainer.train_tables(self.epoch >= self.unfreeze_epoch)
            self.sampler.set_epoch(self.epoch, self.batch)
            self.dataset.epoch = self.epoch
            size, batches = len(self.sampler), iter(loader)
            self.padding = padding_share(self.dataset.lengths, self.sampler.batches)
            parts = min(self.parts, size)
            for part in range(self.part, parts):
                self.since = Clock.now()
                train_epoch(self.trainer.model, self.batches_until(size * (part + 1) // parts, batches), step)
                trim_heap()
                loss = self.trainer.skipped.mean_loss(self.losses, self.step)
                began, self.since = self.since, Clock.now()
                self.train_seconds += self.since - began
                self.trainer.rate.set(self.done)
                self.part, self.losses, self.over = part + 1, [], self.done >= 1 or self.step == self.last
                yield loss
                state.after_evaluation()
                if self.over:
                    break
            if not self.over:
                self.epoch, self.part, self.batch = self.epoch + 1, 0, 0
        if skipped := self.trainer.skipped.describe(self.step):
            report(Noted(skipped))

    def batches_until(self, end: int, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The next batches of an epoch, up to number `end` or to where training ends."""
        while self.batch < end and self.done < 1 and self.step != self.last:
            yield next(batches)

    @property
    def epochs_done(self) -> float:
        """With fractions."""
        size = len(self.sampler)
        parts = min(self.parts, size)
        at_end = self.batch == size * self.part // parts  # of a part
        return self.epoch + (self.part / parts if at_end else self.batch / size)

    def log(self, loss: float | None, score: float | None, best: bool) -> Evaluated:
        """Take an evaluation into the history."""
        record = Evaluated(
            epoch=self.epochs_done,
            step=self.step,
            loss=loss,
            score=score,
            best=best,
            learning_rate=self.trainer.rate.value,
            padding=self.padding,
            train_seconds=round(self.train_seconds, 3),
        )
        self.history.append(record)
        return record

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on with the next step, but for the trainer."""
        names = ("epoch", "part", "batch", "step", "done", "over")
        return {
            **{name: getattr(self, name) for name in names},
            "train_seconds": self.train_seconds + (Clock.now() - self.since if self.losses else 0.0),
            "losses": torch.stack([loss for loss, _, _ in self.losses]) if self.losses else None,
            "rates": torch.tensor([rate for _, rate, _ in self.losses], dtype=torch.float64),
            "history": [asdict(record) for record in self.history],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        losses, rates, history = state.pop("losses"), state.pop("rates").tolist(), state.pop("history")
        vars(self).update(state)
        self.history = [Evaluated(**record) for record in history]
        self.sampler.set_epoch(self.epoch, self.batch)
        plan = self.sampler.batches[self.batch - len(rates) : self.batch]
        rows = [torch.from_numpy(self.dataset.rows[indices]) for indices in plan]
        self.losses = list(zip(losses, rates, rows, strict=True)) if rates else []


class StepCounter:
    """Reports steps, several at a time: one by one they would fill the pipe of a worker whose reader is busy."""

    def __init__(self, report: Callable[[Event], object]) -> None:
        self.report, self.untold, self.told = report, 0, Clock.now()

    def count(self) -> None:
        """One more step."""
        self.untold += 1
        if Clock.now() - self.told >= REPORT_SECONDS:
            self.report(Stepped(self.untold))
            self.untold, self.told = 0, Clock.now()
