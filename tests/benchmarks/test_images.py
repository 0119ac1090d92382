"""The benchmarks of images, on a few: what they start, measure and print."""

import re
import sys

import image_contests
import image_reading
import numpy as np
import pytest


def test_a_contest_of_folders_beside_a_classic(capsys, monkeypatch):
    images, labels = image_contests.load("digits", None)
    kept = np.concatenate([np.flatnonzero(labels == label)[:30] for label in (0, 1)])
    monkeypatch.setattr(image_contests, "CLASSICS", {"SVC": image_contests.CLASSICS["SVC, radial basis"]})
    image_contests.compare("digits", images[kept], labels[kept], "training.epochs=2", "folds.n=2")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| digits: 60 images |")
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| foldwise, init and all", "| SVC"]
    assert float(lines[3].split(" | ")[1]) > 0.95


def test_reading_is_timed_beside_pillow(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["image_reading.py", "--images", "4", "--kilobytes", "4", "--rounds", "1"])
    image_reading.main()
    shown = capsys.readouterr().out
    assert all(name in shown for name in image_reading.LOOPS)


def test_mnist_must_be_given():
    with pytest.raises(SystemExit, match="mnist_5k"):
        image_contests.load("mnist", None)


def test_epochs_with_and_without_a_cache(capsys):
    image_contests.measure_epochs(count=80, kilobytes=2, repeats=1)
    _, opened, *kept = capsys.readouterr().out.splitlines()
    assert re.search(r"s, peak [\d,]+ MB, of which [\d,]+ MB are libraries$", opened)
    assert [line.partition(":")[0] for line in kept] == ["kept", "kept, without changes"]
