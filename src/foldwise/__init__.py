"""foldwise: a text competition, from the CSVs to `submission.csv`, in one command."""

__version__ = "0.1.0"
