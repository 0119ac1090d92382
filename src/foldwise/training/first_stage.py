"""The first of two stages of training: some epochs on rows of another table, before the fold's own training rows."""

from collections.abc import Callable

from foldwise.config import Recipe
from foldwise.events import Event
from foldwise.training.early_stopping import Weights
from foldwise.training.fold_data import FoldData, Lesson, Units, build_dataset
from foldwise.training.loop import Stage
from foldwise.training.precision import Runtime
from foldwise.training.progress import Progress
from foldwise.training.state import EXTRA, TrainingState
from foldwise.training.trainer import BuildModel, build_from_vectors, build_trainer, copy_weights, make_sampler


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

    def train(self, progress: Progress, report: Callable[[Event], object], state: TrainingState) -> Weights:
        """The averaged weights at its end, which comes early where a time limit leaves less.

        Raises:
            StoppedError: the loss was not finite in too many steps.
            Interrupted: this process is asked to end; the state is saved.
        """
        settings, end = self.recipe.training, self.steps / progress.steps
        start = (self.seed, self.steps, self.runtime, self.lesson.targets)
        trainer = build_trainer(self.data, self.recipe, *start, build=self.build, report=report)
        stage = Stage(trainer, self.dataset, self.sampler, settings, settings.extra_epochs)
        state.begin(EXTRA, stage, progress)
        for _ in stage.run(lambda step: progress.in_stage(step, end), report, state):
            pass  # nothing is evaluated
        with trainer.averages.applied():
            return copy_weights(trainer.model, set())
