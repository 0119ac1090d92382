"""Each extension is a folder that a fork may delete: the core goes on working, and what is gone says so in a line."""

import os
import shutil
import subprocess

import pytest

from conftest import COMPETITIONS, REPOSITORY, command
from foldwise import EXPORTS
from foldwise.cli import EXTENSIONS as PLUGGED_IN
from foldwise.extensions import TEACHING
from foldwise.learners import LEARNERS
from test_architecture import CORE, EXTENSIONS

SLUG = "twin-binary"


def test_every_extension_has_a_command_an_option_fields_a_learner_or_a_name_in_python():
    tables = (PLUGGED_IN, TEACHING, LEARNERS, EXPORTS)
    named = {module.split(":")[0].split(".")[1] for table in tables for module in table.values()}
    assert named - set(CORE) == set(EXTENSIONS)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_core_works_without(extension, tmp_path):
    source = tmp_path / "checkout" / "src"
    shutil.copytree(REPOSITORY / "src", source, ignore=shutil.ignore_patterns("__pycache__", extension))
    shutil.copytree(COMPETITIONS / SLUG, tmp_path / "input" / SLUG)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line, variables = command(tmp_path, *arguments), {**os.environ, "PYTHONPATH": str(source)}
        return subprocess.run(line, env=variables, capture_output=True, text=True, timeout=300, check=False)

    done = run("all", "-c", SLUG)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output" / SLUG / "submission.csv").is_file()

    for name, module in LEARNERS.items():
        if module.startswith(f"foldwise.{extension}."):
            gone = run("all", "-c", SLUG, "--set", f"model.name={name}")
            message = f"error: recipe.model.name = {name!r}: not part of this checkout, which has no src/foldwise/"
            assert (gone.returncode, gone.stderr) == (2, f"{message}{extension}\n")

    for name, module in PLUGGED_IN.items():
        if module.startswith(f"foldwise.{extension}."):
            gone = run(*(["all", name, "1h"] if name.startswith("--") else [name]), "-c", SLUG)
            message = f"error: {name}: not part of this checkout, which has no src/foldwise/{extension}\n"
            assert (gone.returncode, gone.stderr) == (2, message)
    if extension == "teaching":
        for field in ('distill="linear"', "pseudo_labels=0.5", "extra_epochs=1"):
            gone = run("all", "-c", SLUG, "--set", f"members.bilstm.training.{field}")
            message = "not part of this checkout, which has no src/foldwise/teaching\n"
            assert (gone.returncode, gone.stderr.partition(": ")[2].partition(": ")[2]) == (2, message)
