"""The command `competitions`."""

from foldwise.options import InputFolder


def competitions(input_: InputFolder = None) -> None:
    """List the contests known by name and your own: task, metric, files, and whether the data is in place."""
    from foldwise.competitions.listing import competitions

    competitions(input_)
