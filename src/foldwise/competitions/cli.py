"""The command `competitions`: the contests known by name and your own, and whether their data is in place."""

import sys
from dataclasses import replace

from rich.box import SIMPLE_HEAD
from rich.table import Table

from foldwise.console import open_page
from foldwise.errors import InputError
from foldwise.installed import as_called
from foldwise.load_config import load_config
from foldwise.options import InputFolder
from foldwise.paths import COMPETITIONS, CONFIG, SUFFIXES, Paths, resolve

NEEDED = ("train", "test", "sample_submission")
WIDTH = 100  # of the table where no terminal says otherwise


def competitions(input_: InputFolder = None) -> None:
    """List the contests known by name and your own: task, metric, files, and whether the data is in place."""
    root = resolve("any", input_, None, None).input.parent
    known = {path.stem for path in COMPETITIONS.glob("*.toml")}
    own = {path.parent.name for path in root.glob(f"*/{CONFIG}")} - known
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("competition\n  files", overflow="fold")
    table.add_column("task\nmetric", no_wrap=True)
    table.add_column("data", min_width=9, max_width=24)  # 24 leaves the longest slug whole in 100 columns
    for slugs in (sorted(known), sorted(own)):
        for slug in slugs:
            table.add_row(*describe(resolve(slug, input_, None, None)))
        table.add_section()
    console = open_page(markup=False, **{} if sys.stdout.isatty() else {"width": WIDTH})
    console.print(table)
    endings = ", ".join(ending for ending in SUFFIXES if ending.count(".") == 1 and ending != ".zip")
    where = f"files belong into {root}/SLUG/, ending in {endings}, plain or as .gz or .zip"
    console.print(as_called(f"{where}; then ./run.sh all -c SLUG"))


def describe(paths: Paths) -> tuple[str, str, str]:
    """The cells of one competition."""
    try:
        config = load_config(paths.config, [])
    except InputError:
        return paths.slug, "", f"faulty {CONFIG}"
    paths, stems = replace(paths, stems=config.files.stems), config.files.stems
    missing = [stems[name] for name in NEEDED if not paths.tables(name)]
    state = f"missing: {', '.join(missing)}" if missing else "in place"
    if len(missing) == len(NEEDED):
        state = "not there"
    files = ", ".join(stems[name] for name in NEEDED)
    return f"{paths.slug}\n  {files}", f"{config.competition.task}\n{config.competition.metric}", state
