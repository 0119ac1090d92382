"""What a built kernel is: `foldwise.kaggle.script` gives the constants their values, and takes the cells it needs.

A cell begins with `# %%` and its name. A script has all but `notebook`, a notebook `tools`, `notebook` and `payload`.
"""

# %% tools
import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

# The contest, and what `python -P -m foldwise` is asked for; folders are added below.
SLUG = ""
COMMAND: list[str] = []
SETTINGS: list[str] = []
# Kaggle datasets that must be among the kernel's inputs, and the hash of the trained model in the first of them.
DATASETS: list[str] = []
MODEL_SHA256 = ""


class KernelError(Exception):
    """What is wrong with where the kernel runs, or with this file."""


def find_input() -> Path:
    """The folder with the contest and the datasets: beside the working folder as on Kaggle, or Kaggle's own."""
    beside = Path.cwd().parent / "input"
    inputs = next((folder for folder in (beside, Path("/kaggle/input")) if folder.is_dir()), None)
    if not inputs:
        raise KernelError(f"no folder {beside} and no /kaggle/input; add the contest {SLUG} to the inputs")
    if not any(folder.is_dir() for folder in (inputs / "competitions" / SLUG, inputs / SLUG)):  # newer, older mounts
        raise KernelError(f"the contest {SLUG} is not in {inputs}; join it on Kaggle and add it to the kernel's inputs")
    for dataset in DATASETS:
        find_dataset(inputs, dataset)
    return inputs


def find_dataset(inputs: Path, dataset: str) -> Path:
    """The folder of owner/name."""
    for folder in (inputs / "datasets" / dataset, inputs / dataset.rpartition("/")[2]):
        if folder.is_dir():
            return folder
    raise KernelError(f"the dataset {dataset} is not in {inputs}; upload it and add it to the kernel's inputs")


def find_model(inputs: Path) -> Path:
    """The folder of the trained model, which must be the one this kernel was built for."""
    manifest = find_dataset(inputs, DATASETS[0]) / "model.json"
    if not manifest.is_file() or hashlib.sha256(manifest.read_bytes()).hexdigest() != MODEL_SHA256:
        raise KernelError(
            f"{manifest}: not the model this kernel was built with, but another version of the dataset {DATASETS[0]}; "
            "upload the one that was built with it, or take that version among the kernel's inputs"
        )
    return manifest.parent


def unpack() -> Path:
    """Unpack outside the working folder, of which Kaggle keeps every file; Python finds the package there first."""
    if hashlib.sha256(PAYLOAD.encode()).hexdigest() != PAYLOAD_SHA256:
        raise KernelError("the payload of this kernel is damaged; build it anew with the command at its top")
    scratch = next((folder for folder in (Path.cwd().parent / "temp", Path("/kaggle/temp")) if folder.is_dir()), None)
    unpacked = Path(tempfile.mkdtemp(prefix="foldwise-", dir=scratch))
    with tarfile.open(fileobj=io.BytesIO(base64.b85decode(PAYLOAD.replace("\n", "")))) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.3 and before have none
        archive.extractall(unpacked)
    paths = [str(unpacked / "src"), os.environ.get("PYTHONPATH", "")]
    os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, paths)), PYTHONUNBUFFERED="1")
    return unpacked


def command_of(inputs: Path, unpacked: Path, command: list[str] = COMMAND) -> list[str]:
    """A command line of foldwise: results go to the working folder."""
    working = Path.cwd()
    packed = ["--weights", str(find_model(inputs))] if MODEL_SHA256 else ["--folds", str(unpacked / "folds")]
    folders = ["--input", str(inputs), "--output", str(working), "--submission", str(working / "submission.csv")]
    return [sys.executable, "-P", "-m", "foldwise", *command, "-c", SLUG, *SETTINGS, *packed, *folders]


def is_rerun() -> bool:
    """True where Kaggle runs this on the hidden test set: nobody sees anything of it but the score."""
    return bool(os.environ.get("KAGGLE_IS_COMPETITION_RERUN"))


def finish(code: int) -> int:
    """What a run that ended with `code` means for the kernel; → its exit code.

    On the rerun a score is better than none: there a run that failed after it had written a submission counts as done.
    """
    shutil.rmtree(Path.cwd() / ".vectors", ignore_errors=True)  # only a later run at home would use it
    submission = Path.cwd() / "submission.csv"
    if code and not (is_rerun() and submission.is_file()):
        return code
    if code:
        print("the run failed, see above; the submission of the folds that were finished stands", flush=True)
    print(f"submission: {submission}, {submission.stat().st_size:,} bytes", flush=True)
    return 0


# %% main
def main() -> int:
    """Unpack and run; → the exit code: 0 done, 1 an error of the run, 2 an error of the inputs or of this file."""
    unpacked = None
    try:
        inputs = find_input()
        unpacked = unpack()
        Path("submission.csv").unlink(missing_ok=True)  # of an earlier run
        return finish(subprocess.run(command_of(inputs, unpacked), check=False).returncode)
    except KernelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        if unpacked:
            shutil.rmtree(unpacked, ignore_errors=True)


# %% notebook
def stream(command: list[str]) -> None:
    """Run a command, and print its lines as they come, where the notebook shows them."""
    Path("submission.csv").unlink(missing_ok=True)  # of an earlier run
    pipe, same = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(command, stdout=pipe, stderr=same, encoding="utf-8", errors="replace") as run:
        for line in run.stdout or ():
            print(line, end="", flush=True)
    if code := finish(run.returncode):
        raise KernelError(f"foldwise ended with exit code {code}; its last lines say why")


# %% payload
# A .tar.xz in base 85.
PAYLOAD_SHA256 = ""
PAYLOAD = ""

# %% start
if __name__ == "__main__":
    code = main()
    if code:
        sys.exit(code)
