"""Stage kernel build: package, settings and folds in one script that runs on Kaggle, and what must travel beside it.

    ./run.sh kernel build -c SLUG              the kernel makes everything: tokens, folds, ensemble
    ./run.sh kernel build -c SLUG --infer      the folds trained here go along as a dataset; the kernel predicts

`output/SLUG/kernel/` is what `kernel push` sends; `output/SLUG/kernel-dataset/`, where there is one, must be on Kaggle
first. With --infer they are `kernel-infer/` and `kernel-infer-dataset/`. The same input and settings give the same
bytes.
"""

import hashlib
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from foldwise.cli import find_extension
from foldwise.console import say, warn
from foldwise.data.fold_file import pack_folds, packed_name, read_folds
from foldwise.data.inspect_images import of_folders
from foldwise.data.open_table import open_table
from foldwise.data.own_tokenizer import find_file
from foldwise.errors import InputError
from foldwise.files import atomic_folder, write_json, write_text
from foldwise.inputs import read_input
from foldwise.installed import PACKAGE
from foldwise.kaggle import credentials
from foldwise.kaggle.cargo import GPU, add_vectors, pack_trained
from foldwise.kaggle.folders import CODE, Folders, keep_foreign, read_built, remember
from foldwise.kaggle.image import check_modules
from foldwise.kaggle.kernels import LONGEST_RUN
from foldwise.kaggle.metadata import (
    DATASET_METADATA,
    KERNEL_METADATA,
    NOBODY,
    check_names,
    dataset_files,
    describe_kernel,
    short_name,
    title_of,
)
from foldwise.kaggle.notebook import make_notebook
from foldwise.kaggle.script import Kernel, check_size, make_script
from foldwise.options import as_given
from foldwise.paths import CONFIG, find_project
from foldwise.plugins import is_own
from foldwise.run import Run, check_teaching
from foldwise.stages.folds import folds
from foldwise.stages.train import ensemble_fits, prepare_members
from foldwise.vectors.files import sources_for

CARRIED = ("*.py", "*.toml", "*.css", "*.js")  # of the code


@dataclass(frozen=True)
class KernelOptions:
    """What the user said of the kernel."""

    infer: bool = False  # it predicts with what was trained here, and trains nothing
    notebook: bool = False  # instead of a script
    user: str | None = None  # whose kernel; None for the one of the credentials, or nobody's
    name: str | None = None  # of the kernel; None for one made from the contest's
    datasets: tuple[str, ...] = ()  # owner/name of those on Kaggle that hold the word vectors
    accelerator: str | None = None  # as Kaggle names it, or "none"; None to go by where the folds train
    time_budget: str | None = None  # handed on to the training

    def line(self, slug: str, settings: tuple[str, ...]) -> str:
        """The command that builds this kernel, without the folders of the machine it was built on."""
        values = [("--user", self.user), ("--name", self.name), *(("--dataset", name) for name in self.datasets)]
        values += [*(("--set", setting) for setting in settings), ("--accelerator", self.accelerator)]
        values.append(("--time-budget", self.time_budget))
        given = [part for option, value in values if value for part in (option, value)]
        form = [*["--infer"] * self.infer, *["--notebook"] * self.notebook]
        return shlex.join(["./run.sh", "kernel", "build", "-c", slug, *form, *given])


def build_kernel(run: Run, options: KernelOptions) -> None:
    """Write the kernel's folder, and its dataset's where one is needed; `InputError` for what cannot run on Kaggle."""
    slug, root, recipe = run.paths.slug, run.paths.output, run.config.recipe
    user, base = options.user or credentials.user_name() or NOBODY, options.name or short_name(f"foldwise-{slug}")
    name = base if options.name or not options.infer else short_name(base, "-infer")
    check_names(user, name, options.datasets)
    check_options(run, options)
    fold_of_row = folds(run)
    fits = [] if options.infer else ensemble_fits(recipe)
    members = list(dict.fromkeys(fit.member for fit in fits)) or recipe.ensemble_members
    check_modules(run, members, options.infer, options.datasets)
    prepare_members(run, fits)
    sources = [] if options.datasets else sources_for(run.config, run.paths)
    # The contest's own files are on Kaggle; what foldwise made beside them is not.
    vectors = [f for f in sources if f.suffix == ".safetensors" or not f.path.is_relative_to(run.paths.input)]
    travels = options.infer or bool(vectors)
    dataset = short_name(base, "-model" if options.infer else "-vectors")
    datasets = [f"{user}/{dataset}"] * travels + list(options.datasets)
    command = ["infer"] if options.infer else ["all"]
    if options.time_budget:
        command += ["--time-budget", options.time_budget]
    files = collect_files(run, options.infer)
    code_file, where, accelerator = CODE[options.notebook], Folders(root, options.infer), options.accelerator
    own = read_built(root).get("files", {})
    with atomic_folder(where.dataset) as folder:  # takes its place only if the script can, too
        about = {"title": title_of(dataset), "id": f"{user}/{dataset}", "licenses": [{"name": "other"}]}
        write_json(folder / DATASET_METADATA, about)
        trained, manifest = dict(Counter(fit.member for fit in fits)), b""
        if options.infer:
            trained, manifest, needs_vectors, chosen = pack_trained(run, fold_of_row, folder)
            vectors, accelerator = vectors if needs_vectors else [], accelerator or chosen
        for source in vectors:
            add_vectors(source, folder)
        kernel = Kernel(
            slug,
            command,
            settings=[] if options.infer else as_given([("--set", setting) for setting in run.settings]),
            datasets=datasets,
            model_sha256=hashlib.sha256(manifest).hexdigest() if options.infer else "",
            folds=trained,
            title=" ".join((run.config.competition.title or slug).split()),
            built_by=options.line(slug, run.settings),
        )
        code = make_notebook(run, kernel, files) if options.notebook else make_script(kernel, files)
        check_secrets({**files, "model.json": manifest, code_file: code.encode()})
        check_size(code, files)
        written = [path.name for path in folder.iterdir()] if travels else []
        if not travels:
            (folder / DATASET_METADATA).unlink()
        keep_foreign(where.dataset, folder, own.get(where.dataset.name))
        with atomic_folder(where.kernel) as kernel_folder:
            write_text(kernel_folder / code_file, code)
            metadata = describe_kernel(user, name, code_file, slug, datasets, accelerator or GPU)
            write_json(kernel_folder / KERNEL_METADATA, metadata)
            keep_foreign(where.kernel, kernel_folder, own.get(where.name))
    remember(where, [code_file, KERNEL_METADATA], written)
    say("kernel", f"made {where.kernel / code_file}, {'with' if metadata['enable_gpu'] else 'without'} a GPU")
    if travels:
        size = sum(file.stat().st_size for file in dataset_files(where.dataset))
        say("kernel", f"made {where.dataset}: {size:,} bytes, the dataset {datasets[0]} that it needs")
    elif not any(where.dataset.iterdir()):
        where.dataset.rmdir()
    target = ["-c", slug, *(["--experiment", run.paths.experiment] if run.paths.experiment else [])]
    target += ["--output", str(run.paths.home.parent)] if "--output" in run.options else []
    following = f"next: {shlex.join(['./run.sh', 'kernel', 'push', *target, *['--infer'] * options.infer])}"
    if user == NOBODY:
        trial = f"in a new folder beside input/, start {where.kernel / code_file} with Python"
        if (run.paths.input / CONFIG).is_file():
            trial += f" (here it reads {run.paths.input / CONFIG}, on Kaggle what is packed)"
        if travels:
            trial = f"copy {where.dataset} to input/{dataset}; then {trial}"
        if options.infer:
            tried = ["--submission", str(where.root / "kernel-infer-try.csv")]
            trial = shlex.join(["./run.sh", "infer", "-c", slug, "--weights", str(where.dataset), *tried])
        following = f"to try it here: {trial}; to push it, build it with --user NAME"
    say("kernel", following)


def check_options(run: Run, options: KernelOptions) -> None:
    """Refuse a time budget that cannot hold, and what needs an extension that is not part of this checkout.

    Warns of extra rows, which may be a table of the contest itself or one of the user's own.
    """
    if options.infer:
        find_extension("infer")
        if options.time_budget:
            raise InputError("--time-budget: a kernel built with --infer has no training to cut; take it out")
    else:
        if options.notebook:
            find_extension("report")
        check_carried(run)
    warn_of_own_tables(run)
    if options.time_budget:
        check_teaching(run.config, timed=True)
        if find_extension("--time-budget")(options.time_budget).seconds > 3600 * LONGEST_RUN:
            raise InputError(
                f"--time-budget {options.time_budget}: Kaggle ends a kernel after {LONGEST_RUN:g} h, in many contests "
                "earlier"
            )


def check_carried(run: Run) -> None:
    """Refuse, or warn of, what a kernel that trains needs and does not carry."""
    recipe, column = run.config.recipe, run.config.columns.fold
    if any(recipe.of_member(name).training.start_from for name in recipe.members):
        raise InputError(
            "recipe.training.start_from: a kernel that trains does not carry earlier weights; train here and build it "
            "with --infer, or take it out"
        )
    if column:
        warn(
            f"columns.fold = {column!r}: the training table on Kaggle must have it too; folds of a table of their own, "
            "[files] folds, travel with the script"
        )
    for name in ("extra", "labels"):
        if not getattr(run.config.files, name):
            continue
        warn(
            f"{run.paths.table(name)}: the kernel finds this table only if it is one of the contest's own files "
            f"on Kaggle; if not, train here and build with --infer, or take out [files] {name} and what reads it"
        )


def warn_of_own_tables(run: Run) -> None:
    """Say where tables that `init` made of folders are missing on Kaggle, where only the folders are."""
    train = run.paths.table("train")
    if run.config.columns.image is not None and of_folders(open_table(run.config, run.paths, "train").frame):
        warn(
            f"{train}: init wrote it, and Kaggle has the folders alone: make a dataset of the images with train.csv, "
            "test.csv and sample_submission.csv beside them; without these the kernel finds no table"
        )


def collect_files(run: Run, infer: bool) -> dict[str, bytes]:
    """What the kernel carries, content by path: src/, and settings and folds unless these are in the dataset."""
    slug = run.paths.slug
    names: dict[str, Path] = {}
    for source in (PACKAGE, find_project() / "src"):  # in a checkout the second holds the first
        place = "src/foldwise" if source == PACKAGE else "src"
        paths = [path for pattern in CARRIED for path in source.rglob(pattern) if path.is_file()]
        names |= {f"{place}/{path.relative_to(source).as_posix()}": path for path in paths}
    files = {name: path.read_bytes() for name, path in names.items() if "/." not in name}
    if not infer:
        files[f"input/{slug}/{CONFIG}"] = read_input(run.paths.config)
        tokenizer = run.config.recipe.tokens.tokenizer
        if tokenizer and not is_own(tokenizer):
            files[f"input/{slug}/{tokenizer}"] = read_input(find_file(tokenizer, run.paths.own_files))
        train_ids = run.competition.train_ids
        in_file = read_folds(run.paths.folds, train_ids, run.config.recipe.folds.n, run.hint("folds", "--force"))
        files[f"folds/{packed_name(slug)}"] = pack_folds(in_file, train_ids).encode()
    return files


def check_secrets(contents: dict[str, bytes]) -> None:
    """Refuse to pack the credentials of Kaggle's client: the `InputError` names the file, not what is in it."""
    secrets = [value.encode() for value in credentials.secrets()]
    for name, content in contents.items():
        if any(secret in content for secret in secrets):
            raise InputError(
                f"{name}: holds your Kaggle credentials, which a kernel would show; take them out, also of what --set "
                "gives"
            )
