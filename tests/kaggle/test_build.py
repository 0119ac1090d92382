"""What `kernel build` writes: names and sources, what is packed and what is not, sizes, and the same bytes each time."""

import base64
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slugify import slugify

from conftest import REPOSITORY, command
from foldwise import paths
from foldwise.cli import main
from foldwise.errors import InputError
from foldwise.files import write_checked
from foldwise.kaggle import credentials, script
from foldwise.kaggle.metadata import short_name, title_of
from foldwise.kaggle.script import LIMIT, check_size, pack
from kaggle_service.fixtures import SECRET

SLUG = "twin-binary"


@pytest.fixture
def build(cli_here, workspace, monkeypatch, quick_packing):
    """Build a kernel of twin-binary; → the folder of the output, or what a failed call wrote."""
    monkeypatch.setenv("HOME", str(workspace / "home"))
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)

    def run(*options: str, code: int = 0, slug: str = SLUG):
        user = () if "--user" in options or "nobody" in options else ("--user", "ada")
        given = [option for option in options if option != "nobody"]
        done = cli_here("kernel", "build", "-c", slug, *user, *given, code=code)
        return done.stderr if code else workspace / "output" / slug

    return run


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A checkout whose src/ has room for modules of one's own."""
    root = tmp_path / "checkout"
    shutil.copytree(REPOSITORY / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(paths, "REPOSITORY", root)
    monkeypatch.syspath_prepend(str(root / "src"))
    return root


def constants_of(script: Path) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "script"}
    exec(compile(script.read_text(encoding="utf-8"), script, "exec"), namespace)
    return namespace


def contents_of(script: Path) -> dict[str, bytes]:
    """The packed files, read without the script's own functions."""
    values = constants_of(script)
    assert hashlib.sha256(values["PAYLOAD"].encode()).hexdigest() == values["PAYLOAD_SHA256"]
    return unpacked(values["PAYLOAD"])


def unpacked(payload: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(base64.b85decode("".join(payload.split())))) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_packed_and_the_metadata(build, workspace):
    output = build("--set", "training.epochs=1", "--time-budget", "2h")
    found = contents_of(output / "kernel" / "kernel.py")
    source = {f"src/{path.relative_to(REPOSITORY / 'src').as_posix()}" for path in (REPOSITORY / "src").rglob("*.py")}
    source |= {f"src/foldwise/competitions/{path.name}" for path in (REPOSITORY / "src").rglob("*.toml")}
    source |= {f"src/foldwise/report/page.{kind}" for kind in ("css", "js")}
    assert found.keys() == {*source, f"input/{SLUG}/competition.toml", f"folds/{SLUG}.packed.json"}
    assert found[f"input/{SLUG}/competition.toml"] == (workspace / "input" / SLUG / "competition.toml").read_bytes()
    assert found["src/foldwise/cli.py"] == (REPOSITORY / "src" / "foldwise" / "cli.py").read_bytes()
    assert json.loads((output / "kernel" / "kernel-metadata.json").read_text()) == {
        **{"id": "ada/foldwise-twin-binary", "title": "foldwise twin binary", "code_file": "kernel.py"},
        **{"language": "python", "kernel_type": "script", "is_private": True, "enable_gpu": True},
        **{"enable_internet": False, "machine_shape": "NvidiaTeslaT4", "competition_sources": [SLUG]},
        **{"dataset_sources": [], "kernel_sources": [], "model_sources": []},
    }
    values = constants_of(output / "kernel" / "kernel.py")
    assert values["COMMAND"] == ["all", "--time-budget", "2h"]
    assert values["SETTINGS"] == ["--set", "training.epochs=1"]
    assert "./run.sh kernel build -c twin-binary --user ada --set training.epochs=1" in values["__doc__"]
    assert not (output / "kernel-dataset").exists()


def test_the_same_input_gives_the_same_bytes_wherever_it_is_built(build, workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "tarfile", tarfile)  # as it is packed for Kaggle
    before = {form: contents(build(*form) / "kernel") for form in ((), ("--notebook",))}
    other = tmp_path / "another place"
    for name in ("input", "folds"):
        shutil.copytree(workspace / name, other / name)  # with other times
    for form, expected in before.items():
        line = command(other, "kernel", "build", "-c", SLUG, "--user", "ada", *form)
        monkeypatch.setattr(sys, "argv", ["foldwise", *line[3:]])
        with pytest.raises(SystemExit, match="0"):
            main()
        assert contents(other / "output" / SLUG / "kernel") == expected
        text = b"".join(expected.values())
        assert str(workspace).encode() not in text
        assert str(REPOSITORY).encode() not in text


def test_credentials_are_never_packed(build, workspace):
    folder = workspace / "home" / ".kaggle"
    folder.mkdir(parents=True)
    (folder / "access_token").write_text(SECRET)
    (folder / "kaggle.json").write_text(json.dumps({"username": "grace", "key": SECRET}))
    for form, name in (((), "kernel.py"), (("--notebook",), "kernel.ipynb")):
        output = build("nobody", *form)
        assert json.loads((output / "kernel" / "kernel-metadata.json").read_text())["id"].startswith("grace/")
        assert {path.name for path in (output / "kernel").iterdir()} == {name, "kernel-metadata.json"}
        for path in output.rglob("*"):
            assert path.is_dir() or SECRET.encode() not in path.read_bytes()
        if name == "kernel.py":
            assert not any(SECRET.encode() in content for content in contents_of(output / "kernel" / name).values())


def test_a_module_or_setting_that_holds_credentials_is_refused(build, checkout, workspace, monkeypatch):
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    (checkout / "src" / "mine.py").write_text(f"KEY = '{SECRET}'\n")
    message = build(code=2)
    assert "src/mine.py: holds your Kaggle credentials" in message
    assert SECRET not in message
    assert not (workspace / "output" / SLUG / "kernel").exists()
    (checkout / "src" / "mine.py").unlink()
    for form, name in (((), "kernel.py"), (("--notebook",), "kernel.ipynb")):
        message = build(*form, "--set", f"members.{SECRET}.seed=1", code=2)
        assert f"{name}: holds your Kaggle credentials" in message
        assert SECRET not in message
    assert not (workspace / "output" / SLUG / "kernel").exists()


def test_the_users_name_comes_from_whatever_tells_it(build, workspace, monkeypatch):
    folder = workspace / "home" / ".kaggle"
    folder.mkdir(parents=True)
    (folder / "access_token").write_text(SECRET)
    assert credentials.user_name() is None
    (folder / "credentials.json").write_text(json.dumps({"username": "joan", "refresh_token": SECRET}))
    assert credentials.user_name() == "joan"
    monkeypatch.setenv("KAGGLE_USERNAME", "mary")
    assert credentials.user_name() == "mary"


def test_a_kernel_for_a_try_at_home_differs_by_the_name_alone(build, cli_here):
    with_user = contents(build("--set", "training.epochs=1") / "kernel")
    output = build("nobody", "--set", "training.epochs=1")
    without = contents(output / "kernel")
    assert without["kernel.py"] == with_user["kernel.py"].replace(b" --user ada", b"")
    found, before = (json.loads(files["kernel-metadata.json"]) for files in (without, with_user))
    assert (found.pop("id"), before.pop("id")) == (
        "<your-kaggle-name>/foldwise-twin-binary",
        "ada/foldwise-twin-binary",
    )
    assert found == before
    shown = cli_here("kernel", "build", "-c", SLUG).stdout
    assert "to try it here: " in shown
    assert f"{SLUG}/competition.toml, on Kaggle what is packed)" in shown


def test_both_kernels_stand_side_by_side_and_keep_what_others_put_there(build, cli_here, capfd):
    cli_here("all", "-c", SLUG)
    output = build("--notebook")
    (output / "kernel" / "notes.txt").write_text("mine")
    (output / "kernel" / "tries").mkdir()
    (output / "kernel" / "tries" / "one.csv").write_text("1\n")
    (output / "kernel" / "now").symlink_to("notes.txt")
    training = contents(output / "kernel")
    build("--infer")
    assert contents(output / "kernel") == training
    (output / "kernel-infer-dataset" / "licence.txt").write_text("mine")
    (output / "kernel-infer-dataset" / "bilstm-fold0-2.safetensors").write_text("of an earlier build")
    record = json.loads((output / "kernel-built.json").read_text())
    assert record["last"] == "kernel-infer"
    record["files"]["kernel-infer-dataset"].append("bilstm-fold0-2.safetensors")
    record.pop("checksum")
    write_checked(output / "kernel-built.json", record)
    build("--infer")
    assert (output / "kernel-infer-dataset" / "licence.txt").read_text() == "mine"
    assert not (output / "kernel-infer-dataset" / "bilstm-fold0-2.safetensors").exists()
    infer = contents(output / "kernel-infer")
    build()
    assert {path.name for path in (output / "kernel").iterdir()} == {
        *("kernel.py", "kernel-metadata.json", "notes.txt", "now", "tries")
    }
    assert (output / "kernel" / "now").is_symlink()
    assert (output / "kernel" / "tries" / "one.csv").read_text() == "1\n"
    assert contents(output / "kernel-infer") == infer
    assert not (output / "kernel-dataset").exists()
    ids = [
        json.loads((output / name / "kernel-metadata.json").read_text())["id"] for name in ("kernel", "kernel-infer")
    ]
    assert ids == ["ada/foldwise-twin-binary", "ada/foldwise-twin-binary-infer"]


def test_a_folder_of_the_users_own_is_no_place_to_be_emptied(build, workspace):
    folder = workspace / "output" / SLUG / "kernel-dataset"
    folder.mkdir(parents=True)
    (folder / "mine.csv").write_text("1\n")
    build()
    assert contents(folder) == {"mine.csv": b"1\n"}


def test_what_a_cpu_has_trained_asks_for_no_gpu_and_what_is_linear_never(build, cli_here, workspace):
    cli_here("all", "-c", SLUG, "--device", "cpu")

    def asked(*options: str) -> tuple[bool, str | None]:
        metadata = json.loads((build("--infer", *options) / "kernel-infer" / "kernel-metadata.json").read_text())
        return metadata["enable_gpu"], metadata.get("machine_shape")

    def move_to_gpu(member: str) -> None:
        for path in (workspace / "output" / SLUG / member).glob("fold*/fold.json"):
            record = json.loads(path.read_text())
            record.pop("checksum")
            record["runtime"]["device"] = "cuda"
            write_checked(path, record)

    assert asked() == (False, None)
    assert asked("--accelerator", "NvidiaTeslaP100") == (True, "NvidiaTeslaP100")
    move_to_gpu("linear")
    assert asked() == (False, None)
    move_to_gpu("bilstm")
    assert asked() == (True, "NvidiaTeslaT4")
    assert asked("--accelerator", "none") == (False, None)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--infer", "--time-budget", "2h"], "--time-budget: a kernel built with --infer has no training to cut"),
        (["--time-budget", "soon"], "--time-budget 'soon': give a length of time"),
        (["--time-budget", "13h"], "--time-budget 13h: Kaggle ends a kernel after 12 h"),
        (["--infer"], "no tokens yet; run"),
        (["--user", "a/b"], "--user 'a/b': give the name that stands in the address"),
        (["--name", "My Kernel"], "--name 'My Kernel': a kernel's name has 6 to 50 small letters"),
        (["--dataset", "glove"], "--dataset 'glove': write OWNER/NAME"),
        (["--set", "tokens.vectors=no-such"], "recipe.tokens.vectors = 'no-such': no no-such.txt"),
        (["--set", "training.loss=no_such:loss"], "the module no_such is neither in"),
        (["--set", "training.optimizer=pytest:Lion"], "the module pytest is neither in"),
        (["--set", "training.optimizer=Lion"], "the module pytorch_optimizer is neither in"),
        (["--set", "training.optimizer=AdamWW"], "no such optimizer; did you mean AdamW"),
    ],
)
def test_errors_come_before_anything_is_written(build, workspace, options, expected):
    assert expected in build(*options, code=2)
    assert not (workspace / "output" / SLUG / "kernel").exists()
    assert not (workspace / "output" / SLUG / "kernel-dataset").exists()


def test_a_teacher_out_of_the_ensemble_is_checked_and_counted(build):
    student = ("folds.n=3", 'ensemble.members=["bilstm"]', "members.bilstm.training.distill=teacher")
    settings = [part for setting in (*student, "members.teacher.seed=1") for part in ("--set", setting)]
    script = (build(*settings) / "kernel" / "kernel.py").read_text(encoding="utf-8")
    assert "trains the folds (6 of teacher, 3 of bilstm)" in script
    error = build(*settings, "--set", "members.teacher.training.loss=no_such:loss", code=2)
    assert "the module no_such is neither in" in error
    error = build(*settings, "--set", "members.teacher.training.optimizer=AdamWW", code=2)
    assert "no such optimizer; did you mean AdamW" in error


def test_extra_rows_that_kaggle_may_lack_are_a_warning_unless_the_kernel_only_predicts(cli_here, workspace):
    home = workspace / "input" / SLUG
    (home / "last-year.csv").write_text("id,text,target\nold-1,Good.,1\n")
    path = home / "competition.toml"
    path.write_text(path.read_text().replace("[columns]", '[files]\nextra = "last-year"\n\n[columns]', 1))
    build = ("kernel", "build", "-c", SLUG, "--user", "ada")
    warning = "last-year.csv: the kernel finds this table only if it is one of the contest's own files on Kaggle"
    shown = cli_here(*build).stderr
    assert warning in shown
    assert "take out [files] extra and what reads it" in shown
    cli_here("all", "-c", SLUG)
    assert "last-year" not in cli_here(*build, "--infer").stderr


def test_vectors_travel_flat_unless_kaggle_has_them(build, workspace):
    folder = workspace / "input" / "embeddings"
    folder.mkdir()
    (folder / "plain.vec").write_text("the 1 2\n")
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("deep/packed.txt", "the 3 4\n")
    (workspace / "input" / SLUG / "contest.txt").write_text("the 5 6\n")
    four = '["plain","packed","contest","glove-6b-100d-50k"]'
    output = build("--set", f"tokens.vectors={four}", "--name", "my-kernel", "--accelerator", "none")
    metadata = json.loads((output / "kernel" / "kernel-metadata.json").read_text())
    assert (metadata["id"], metadata["enable_gpu"]) == ("ada/my-kernel", False)
    assert "machine_shape" not in metadata
    assert metadata["dataset_sources"] == ["ada/my-kernel-vectors"]
    dataset = output / "kernel-dataset"
    expected = {"title": "my kernel vectors", "id": "ada/my-kernel-vectors", "licenses": [{"name": "other"}]}
    assert json.loads((dataset / "dataset-metadata.json").read_text()) == expected
    glove = {"glove-6b-100d-50k.safetensors", "glove-6b-100d-50k.txt"}
    assert {path.name for path in dataset.iterdir()} == {"dataset-metadata.json", "plain.vec", "packed.txt", *glove}
    assert (dataset / "packed.txt").read_text() == "the 3 4\n"
    assert (dataset / "plain.vec").samefile(folder / "plain.vec")

    output = build("--set", f"tokens.vectors={four}", "--dataset", "ada/glove", "--dataset", "joan/more")
    assert json.loads((output / "kernel" / "kernel-metadata.json").read_text())["dataset_sources"] == [
        "ada/glove",
        "joan/more",
    ]
    assert not dataset.exists()


def test_modules_of_ones_own_are_packed(cli_here, build, checkout):
    package = checkout / "src" / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "parts.py").write_text(
        "import torch\nimport apart\n\ndef mse(logits, targets):\n    return ((logits - targets) ** 2).mean(dim=1)\n"
    )
    (checkout / "src" / "apart.py").write_text("")
    (checkout / "src" / "scores.py").write_text("def share(truth, labels):\n    return (truth == labels).mean()\n")
    config = checkout.parent / "input" / SLUG / "competition.toml"
    config.write_text(re.sub('metric = ".*"', 'metric = "scores:share"\nmetric_takes = "label"', config.read_text()))
    (checkout / "src" / "notes.txt").write_text("not packed")
    loss = ("--set", "training.loss=mine.parts:mse")
    cli_here("kernel", "build", "-c", SLUG, "--user", "ada", *loss)
    found = contents_of(checkout.parent / "output" / SLUG / "kernel" / "kernel.py")
    assert found["src/mine/parts.py"] == (package / "parts.py").read_bytes()
    own = {name for name in found if not name.startswith(("src/foldwise/", "folds/", "input/"))}
    assert own == {"src/apart.py", "src/mine/__init__.py", "src/mine/parts.py", "src/scores.py"}


def test_a_kernel_that_trains_is_built_where_other_extensions_are_deleted(workspace, tmp_path):
    source = tmp_path / "checkout" / "src"
    shutil.copytree(REPOSITORY / "src", source, ignore=shutil.ignore_patterns("__pycache__", "inference", "report"))

    def built(*options: str) -> subprocess.CompletedProcess[str]:
        line = command(workspace, "kernel", "build", "-c", SLUG, "--user", "ada", *options)
        environment = {**os.environ, "PYTHONPATH": str(source)}
        return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)

    for option, name, folder in (("--infer", "infer", "inference"), ("--notebook", "report", "report")):
        done = built(option)
        gone = f"error: {name}: not part of this checkout, which has no src/foldwise/{folder}\n"
        assert (done.returncode, done.stderr) == (2, gone)
    done = built()
    assert done.returncode == 0, done.stderr
    found = contents_of(workspace / "output" / SLUG / "kernel" / "kernel.py")
    packed = {name for name in found if name.startswith("src/")}
    assert packed == {
        f"src/{path.relative_to(source).as_posix()}" for path in source.rglob("*") if path.suffix in (".py", ".toml")
    }


def test_a_script_that_is_too_large_says_what_weighs(build, checkout, workspace):
    output = build()
    before = contents(output)
    noise = base64.b64encode(random.Random(0).randbytes(1_200_000)).decode()
    (checkout / "src" / "table.py").write_text(f"TABLE = '{noise}'\n")
    message = build(code=2)
    assert "bytes, and Kaggle takes 1,000,000 at most; most of them are those of src/table.py (1," in message
    assert "move data out of the modules in src/ and delete those not used" in message
    assert contents(output) == before


def test_folds_of_a_million_rows_fit_and_a_byte_too_many_does_not():
    rows = 50_000  # a twentieth of them, quickly packed
    files = {"folds": "".join(random.Random(0).choices("01234", k=rows)).encode()}
    assert 20 * len(pack(files)) < LIMIT / 2
    check_size(LIMIT * "x", files)
    with pytest.raises(InputError, match="the kernel has 1,000,001 bytes"):
        check_size((LIMIT + 1) * "x", files)


@settings(max_examples=20)
@given(st.dictionaries(st.text("abcü", min_size=1).map("a/".__add__), st.binary(max_size=40), max_size=9))
def test_packed_files_come_back(files):
    text = pack(files)
    assert unpacked(text) == files
    assert not set(text) & set("\"'\\")


@settings(max_examples=30)
@given(slug=st.lists(st.text("abz019_", min_size=1, max_size=60), min_size=1, max_size=9).map("-".join))
def test_titles_become_the_names_as_kaggle_makes_them(slug):
    name = short_name(f"foldwise-{slug}")
    assert slugify(title_of(name)) == name
    for suffix in ("-vectors", "-model"):
        dataset = short_name(name, suffix)
        assert slugify(title_of(dataset)) == dataset
        assert 6 <= len(dataset) <= 50
    assert 6 <= len(name) <= 50
