"""The first of two stages of training: some epochs on rows of another table, before the fold's own training rows."""

from collections.abc import Callable

from foldwise.config import Recipe
from foldwise.data.dataset import make_loader
from foldwise.events import Event, Noted
from foldwise.training.early_stopping import Weights
from foldwise.training.fold_data import FoldData, Lesson, Units, build_dataset
from foldwise.training.loop import (
    BuildModel,
    StepCounter,
    build_from_vectors,
    build_trainer,
    copy_weights,
    make_sampler,
    trim_heap,
)
from foldwise.training.precision import Runtime
from foldwise.training.progress import Progress


class FirstStage:
    """`training.extra_epochs` epochs on a lesson, with an optimizer and a learning rate schedule of their own.

    Args:
        units: of the second stage, so that targets and features mean the same in both.
    """

    def __init__(
        self,
        data: FoldData,
        lesson: Lesson,
        recipe: Recipe,
        units: Units,
        seed: int,
        runtime: Runtime,
        build: BuildModel = build_from_vectors,
    ) -> None:
        self.build = build
        self.data, self.lesson, self.recipe, self.seed, self.runtime = data, lesson, recipe, seed, runtime
        self.dataset = build_dataset(data, lesson.rows, units, runtime.device, lesson)
        self.sampler = make_sampler(self.dataset, recipe.batches, seed)
        self.steps = self.sampler.steps(recipe.training.extra_epochs)

    def train(self, progress: Progress, report: Callable[[Event], object]) -> Weights:
        """The averaged weights at its end, which comes early where a time limit leaves less.

        Raises:
            StoppedError: the loss was not finite in too many steps.
        """
        settings, device = self.recipe.training, self.runtime.device
        step, counter = 0, StepCounter(report)
        start = (self.seed, self.steps, self.runtime, self.lesson.targets)
        trainer = build_trainer(self.data, self.recipe, *start, build=self.build, report=report)
        loader, share = make_loader(self.dataset, self.sampler, device), self.steps / progress.steps
        for epoch in range(settings.extra_epochs):
            trainer.train_tables(epoch >= settings.unfreeze_epoch)
            self.sampler.set_epoch(epoch)
            trainer.model.train()
            losses = []
            for batch in loader:
                trainer.rate.set(min(progress.share / share, 1.0))
                losses.append((trainer.step(batch.to(device)), trainer.rate.value, batch.rows))
                step += 1
                counter.count()
                if progress.after(step) >= share:
                    break
            trim_heap()
            trainer.skipped.mean_loss(losses, step)
            if progress.share >= share:
                break
        if skipped := trainer.skipped.describe(step):
            report(Noted(f"first stage: {skipped}"))
        with trainer.averages.applied():
            return copy_weights(trainer.model, set())
