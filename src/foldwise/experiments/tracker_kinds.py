"""The trackers that are known by name. Each writes into a folder of its own below `output/SLUG/tracking/`; none sends.

tensorboard --logdir output/SLUG/tracking/tensorboard
mlflow ui --backend-store-uri sqlite:///output/SLUG/tracking/mlflow.db
wandb sync output/SLUG/tracking/wandb/offline-run-…
"""

import json
from pathlib import Path
from typing import Any

from foldwise.events import Evaluated, Event
from foldwise.toml_text import dotted
from foldwise.tracking import Tracker

LONGEST = 500  # characters of a value that MLflow takes in all its versions


def figures(event: Evaluated) -> dict[str, float]:
    """What is known of an evaluation."""
    found = {"loss": event.loss, "score": event.score, "epoch": event.epoch, "learning_rate": event.learning_rate}
    return {name: float(value) for name, value in found.items() if value is not None}


def final_scores(summary: dict[str, Any]) -> dict[str, float]:
    """The scores of summary.json."""
    cv = summary["cv"]
    scores = {"cv_mean": cv["mean"], "cv_std": cv["std"], "cv_pooled": cv["pooled"]}
    return scores | ({"leaderboard": summary["leaderboard"]} if "leaderboard" in summary else {})


class TensorBoard(Tracker):
    """Event files of torch.utils.tensorboard: a curve for each fold, and the recipe beside the final scores."""

    def __init__(self, folder: Path, name: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self.open = folder / "tensorboard" / name, SummaryWriter
        self.writers: dict[str, Any] = {}
        self.recipe: dict[str, Any] = {}

    def writer(self, fold: str = "") -> Any:
        """The writer of a fold, or of the run itself."""
        if fold not in self.writers:
            self.writers[fold] = self.open(str(self.folder / fold))
        return self.writers[fold]

    def start(self, facts: dict[str, Any]) -> None:
        """The recipe, to be read."""
        self.recipe = facts["recipe"]
        self.writer().add_text("recipe", f"```\n{json.dumps(facts, indent=2, ensure_ascii=False)}\n```")

    def on_event(self, fold: str, event: Event) -> None:
        """A point of each curve."""
        if isinstance(event, Evaluated):
            for name, value in figures(event).items():
                self.writer(fold).add_scalar(name, value, event.step)

    def finish(self, summary: dict[str, Any]) -> None:
        """Final scores, by the fields of the recipe."""
        fields = {
            key: value if isinstance(value, int | float) else str(value) for key, value in dotted(self.recipe).items()
        }
        self.writer().add_hparams(fields, final_scores(summary), run_name=".")

    def close(self) -> None:
        """What is still in memory is written."""
        for writer in self.writers.values():
            writer.close()


class MLflow(Tracker):
    """A run in a local store, a file of SQLite."""

    def __init__(self, folder: Path, name: str) -> None:
        from mlflow import MlflowClient

        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name = folder, name
        self.client = MlflowClient(tracking_uri=f"sqlite:///{(folder / 'mlflow.db').absolute()}")
        self.run, self.state = "", "FAILED"

    def start(self, facts: dict[str, Any]) -> None:
        """The fields of the recipe as parameters."""
        competition = facts["competition"]
        known = self.client.get_experiment_by_name(competition)
        artifacts = (self.folder / "mlartifacts").absolute().as_uri()
        number = known.experiment_id if known else self.client.create_experiment(competition, artifacts)
        tags = {key: str(facts[key]) for key in ("experiment", "task", "metric", "command")}
        self.run = self.client.create_run(number, run_name=self.name, tags=tags).info.run_id
        for key, value in dotted(facts["recipe"]).items():
            self.client.log_param(self.run, key, str(value)[:LONGEST])

    def on_event(self, fold: str, event: Event) -> None:
        """A point of each curve."""
        if isinstance(event, Evaluated):
            for name, value in figures(event).items():
                self.client.log_metric(self.run, f"{fold}/{name}", value, step=event.step)

    def finish(self, summary: dict[str, Any]) -> None:
        """Final scores."""
        for name, value in final_scores(summary).items():
            self.client.log_metric(self.run, name, value)
        self.state = "FINISHED"

    def close(self) -> None:
        """The run has ended."""
        if self.run:
            self.client.set_terminated(self.run, self.state)


class WeightsAndBiases(Tracker):
    """A run of Weights & Biases that stays on this machine."""

    def __init__(self, folder: Path, name: str) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name, self.wandb = folder, name, wandb
        self.run: Any = None
        self.known: set[str] = set()

    def start(self, facts: dict[str, Any]) -> None:
        """The recipe as its config."""
        # What is printed stays as it is, and nothing but what is told here is looked at.
        quiet = self.wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True)
        self.run = self.wandb.init(
            project=facts["competition"], name=self.name, dir=self.folder, config=facts, mode="offline", settings=quiet
        )

    def on_event(self, fold: str, event: Event) -> None:
        """A point of each curve, over the steps of its own fold."""
        if isinstance(event, Evaluated):
            if fold not in self.known:
                self.known.add(fold)
                self.run.define_metric(f"{fold}/step")
                self.run.define_metric(f"{fold}/*", step_metric=f"{fold}/step")
            self.run.log({f"{fold}/{name}": value for name, value in {**figures(event), "step": event.step}.items()})

    def finish(self, summary: dict[str, Any]) -> None:
        """Final scores."""
        self.run.summary.update(final_scores(summary))

    def close(self) -> None:
        """What is still in memory is written."""
        if self.run is not None:
            self.run.finish()
