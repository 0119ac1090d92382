"""foldwise: a text competition, from the CSVs to `submission.csv`, in one command.

In Python the same, over the same stages:

    import foldwise as fw

    contest = fw.Competition.open("input/my-contest")  # or fw.Competition(train, test, sample, name="my-contest")
    run = contest.run(fw.Recipe(epochs=4), name="wide")
    run.scores, run.oof, run.submission, run.history, run.report()
    model = fw.Model.load(run.folder)
    model.predict(["a text", "another"], proba=True)

The pieces of training work alone, too: `tests/python/plain_loop.py` shows them in a loop of one's own.
"""

__version__ = "0.1.0"
TYPE_CHECKING = False  # for type checkers it is true; nothing may be imported here: see `foldwise.__main__`

# What each name is, imported when it is first used: `import foldwise` loads nothing else.
EXPORTS = {
    "Competition": "foldwise.python.competition:Competition",
    "Recipe": "foldwise.python.recipe:Recipe",
    "Result": "foldwise.python.result:Result",
    "Model": "foldwise.inference.model:Model",
    "InputError": "foldwise.errors:InputError",
    "RunError": "foldwise.errors:RunError",
    "TokenStore": "foldwise.data.token_store:TokenStore",
    "TokenDataset": "foldwise.data.dataset:TokenDataset",
    "Batch": "foldwise.data.dataset:Batch",
    "collate": "foldwise.data.dataset:pad_collate",
    "BucketBatchSampler": "foldwise.data.batching:BucketBatchSampler",
    "BiLSTM": "foldwise.models.recurrent:BiLSTM",
    "train_epoch": "foldwise.training.loop:train_epoch",
}

__all__ = [
    "Batch",
    "BiLSTM",
    "BucketBatchSampler",
    "Competition",
    "InputError",
    "Model",
    "Recipe",
    "Result",
    "RunError",
    "TokenDataset",
    "TokenStore",
    "collate",
    "train_epoch",
]

if TYPE_CHECKING:
    from foldwise.data.batching import BucketBatchSampler
    from foldwise.data.dataset import Batch, TokenDataset
    from foldwise.data.dataset import pad_collate as collate
    from foldwise.data.token_store import TokenStore
    from foldwise.errors import InputError, RunError
    from foldwise.inference.model import Model
    from foldwise.models.recurrent import BiLSTM
    from foldwise.python.competition import Competition
    from foldwise.python.recipe import Recipe
    from foldwise.python.result import Result
    from foldwise.training.loop import train_epoch
else:

    def __getattr__(name: str) -> object:
        if name not in EXPORTS:
            raise AttributeError(f"module 'foldwise' has no attribute {name!r}; it gives {', '.join(EXPORTS)}")
        import pkgutil

        value = globals()[name] = pkgutil.resolve_name(EXPORTS[name])
        return value

    def __dir__() -> list[str]:
        return sorted([*globals(), *EXPORTS])
