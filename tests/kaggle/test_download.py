"""`./run.sh download` with the real client against a service on 127.0.0.1."""

import contextlib
import io
import os
import random
import threading
import zipfile
from pathlib import Path

import pytest

from conftest import COMPETITIONS
from foldwise.errors import RunError
from foldwise.kaggle import client
from foldwise.kaggle.download import download_files
from kaggle_service.loopback import Answer, error, redirect

FILE = "/storage/archive.zip"
ZIP = {"Content-Type": "application/zip", "Last-Modified": "Tue, 03 Nov 2026 10:00:00 GMT", "ETag": '"one"'}

RESUMABLE = {**ZIP, "Accept-Ranges": "bytes"}
MIB = 1 << 20


def packed(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def twin() -> dict[str, bytes]:
    """The tables of a 20-row contest, which asks for probabilities."""
    files = {path.name: path.read_bytes() for path in (COMPETITIONS / "twin-binary").glob("*.csv")}
    files["sample_submission.csv"] = files["sample_submission.csv"].replace(b",0\n", b",0.5\n")
    return files


def offer(service, body: bytes, *more: Answer, **options) -> None:
    service.on("DownloadDataFiles", redirect(FILE))
    service.on(FILE, Answer(body, headers=ZIP, **options), *more)


def left_behind(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "input").glob(".*.download/**/*") if path.is_file())


def test_download_then_init(foldwise_process, service, tmp_path):
    offer(service, packed(twin()))
    done = foldwise_process("download", "-c", "a-contest")
    assert service.asked("DownloadDataFiles") == [{"competitionName": "a-contest"}]
    folder = tmp_path / "input" / "a-contest"
    assert {name: (folder / name).read_bytes() for name in twin()} == twin()
    assert "kaggle    Downloading a-contest.zip" in done.stdout
    assert "init      target = target" in done.stdout
    assert (folder / "competition.toml").is_file()
    assert not (tmp_path / "input" / ".a-contest.download").exists()
    done = foldwise_process("download", "-c", "a-contest")
    assert "kept: " in done.stdout
    assert len(service.asked("DownloadDataFiles")) == 1


def test_a_contest_known_by_name_needs_no_init(foldwise, service, tmp_path):
    offer(service, packed({"train.csv": b"id,text\n", "test.csv": b"id\n"}))
    done = foldwise("download", "-c", "nlp-getting-started")
    assert "next: ./run.sh all -c nlp-getting-started --input" in done.stdout
    assert not (tmp_path / "input" / "nlp-getting-started" / "competition.toml").exists()


def test_what_init_cannot_tell_is_asked_after_the_download(foldwise, service, tmp_path):
    files = twin()
    files["sample_submission.csv"] = files["sample_submission.csv"].replace(b",0.5\n", b",0\n")
    offer(service, packed(files))
    message = foldwise("download", "-c", "a-contest", code=2).stderr
    assert "the files are there, but" in message
    assert "go on with `./run.sh init a-contest --input" in message
    assert (tmp_path / "input" / "a-contest" / "train.csv").is_file()


def test_nested_archives(foldwise, service, tmp_path):
    inner = packed({"data/a.csv": b"x\n1\n", "data/b.csv": b"x\n2\n"})
    single, vectors = packed({"train.csv": b"id\n1\n"}), packed({"glove/glove.txt": b"a 1", "para/para.txt": b"b 2"})
    files = {"all.zip": inner, "train.csv.zip": single, "embeddings.zip": vectors, "more.7z": b"7z"}
    offer(service, packed({f"contest/{name}": content for name, content in files.items()}))
    done = foldwise("download", "-c", "nlp-getting-started")
    folder = tmp_path / "input" / "nlp-getting-started"
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("[!.]*") if path.is_file())
    assert found == ["data/a.csv", "data/b.csv", "embeddings.zip", "more.7z", "train.csv.zip"]
    assert (folder / "train.csv.zip").read_bytes() == single
    assert "more.7z stays packed" in done.stderr


def test_files_of_the_users_own_stay(foldwise, service, tmp_path):
    folder = tmp_path / "input" / "nlp-getting-started"
    folder.mkdir(parents=True)
    (folder / "train.csv").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    offer(service, packed({"train.csv": b"theirs", "test.csv": b"theirs"}))
    message = foldwise("download", "-c", "nlp-getting-started", code=2).stderr
    assert "train.csv already there, and not from a download" in message
    assert (folder / "train.csv").read_text() == "mine"
    assert not (folder / "test.csv").exists()
    foldwise("download", "-c", "nlp-getting-started", "--force")
    assert (folder / "train.csv").read_text() == "theirs"
    assert (folder / "notes.txt").read_text() == "mine"


def large() -> bytes:
    """More than the client's chunks of 1 MiB, which it keeps whole or not at all."""
    return packed({**twin(), "noise.bin": random.Random(0).randbytes(3 * MIB)})


def test_a_download_cut_off_once_goes_on_where_it_stopped(foldwise, service, tmp_path):
    content = large()
    service.on("DownloadDataFiles", redirect(FILE))
    service.on(FILE, Answer(content, headers=RESUMABLE, cut=2 * MIB + 99), Answer(content, headers=RESUMABLE))
    foldwise("download", "-c", "a-contest")
    assert [headers["Range"] for headers in service.headers if "Range" in headers] == [f"bytes={2 * MIB}-"]
    assert (tmp_path / "input" / "a-contest" / "train.csv").read_bytes() == twin()["train.csv"]


def test_a_download_cut_off_for_good_is_not_taken_for_whole(foldwise, service, tmp_path):
    content = large()
    service.on("DownloadDataFiles", redirect(FILE))
    cut = Answer(content, headers=RESUMABLE, cut=MIB + 99), Answer(content, headers=RESUMABLE, cut=MIB, length=None)
    service.on(FILE, *cut)
    message = foldwise("download", "-c", "a-contest", code=1).stderr
    assert "the transfer was cut off; run the same command again, it goes on where it stopped" in message
    assert not (tmp_path / "input" / "a-contest").exists()
    assert "a-contest.zip" in left_behind(tmp_path)
    service.on(FILE, Answer(content, headers=RESUMABLE))
    foldwise("download", "-c", "a-contest")
    assert service.headers[-1]["Range"] == f"bytes={2 * MIB}-"
    assert (tmp_path / "input" / "a-contest" / "train.csv").read_bytes() == twin()["train.csv"]
    assert not left_behind(tmp_path)


def test_a_download_cut_off_without_a_length(foldwise, service, tmp_path):
    content = packed(twin())
    offer(service, content[: len(content) // 2], length=None)
    assert "damaged or cut short" in foldwise("download", "-c", "a-contest", code=1).stderr
    assert not (tmp_path / "input" / "a-contest").exists()
    assert not left_behind(tmp_path)


def test_a_slow_download_shows_how_far_it_is_and_completes(foldwise_start, service, tmp_path):
    """Held in its middle until the bar has shown on the terminal."""
    go_on = threading.Event()
    content = packed({**twin(), "noise.bin": random.Random(0).randbytes(3 * MIB)})
    offer(service, content, hold=go_on)
    process, terminal = foldwise_start("download", "-c", "a-contest")
    seen = b""
    try:
        while b"%|" not in seen and (piece := os.read(terminal, 65536)):
            seen += piece
        assert process.poll() is None
        assert not (tmp_path / "input" / "a-contest").exists()
    finally:
        go_on.set()
    with contextlib.suppress(OSError):  # a terminal that nobody holds any more
        while piece := os.read(terminal, 65536):
            seen += piece
    assert process.wait(60) == 0, seen.decode()
    shown = seen.decode()
    assert "\x1b[Jkaggle    " in shown
    assert "100%|" in shown
    assert (tmp_path / "input" / "a-contest" / "train.csv").read_bytes() == twin()["train.csv"]


def test_a_download_that_stands_still_is_given_up(service, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "PATIENCE", 3)
    content, go_on = packed(twin()), threading.Event()
    offer(service, content, hold=go_on)
    try:
        with pytest.raises(RunError, match="Kaggle sent nothing for 3 s; check the network"):
            download_files("a-contest", tmp_path / "input" / "a-contest")
    finally:
        go_on.set()
    assert not (tmp_path / "input" / "a-contest").exists()


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        (error(401), 2, "Kaggle refuses the credentials (401)"),
        (error(403), 2, "accept its rules at https://www.kaggle.com/competitions/a-contest/rules"),
        (
            error(403, "You must accept this competition's rules before you can continue"),
            2,
            "competitions/a-contest/rules",
        ),
        (error(404), 2, "Kaggle has no contest 'a-contest' (404)"),
        (error(404, "Not found"), 2, "Kaggle has no contest 'a-contest' (404)"),
        (error(429), 1, "too many requests (429)"),
        (error(500), 1, "an error of its own (500)"),
        (error(400, "The contest is closed"), 1, "The contest is closed"),
    ],
)
def test_errors(foldwise, service, tmp_path, answer, code, expected):
    service.on("DownloadDataFiles", answer)
    assert expected in foldwise("download", "-c", "a-contest", code=code).stderr
    assert not (tmp_path / "input" / "a-contest").exists()


def test_an_error_of_the_storage(foldwise, service):
    offer(service, b"<html>", status=503)
    assert "an error of its own (503)" in foldwise("download", "-c", "a-contest", code=1).stderr


def test_no_credentials(foldwise, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    message = foldwise("download", "-c", "a-contest", code=2).stderr
    assert "no Kaggle credentials: make an API token at https://www.kaggle.com/settings/api" in message


def test_no_network(foldwise, service, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert "kaggle.com cannot be reached" in foldwise("download", "-c", "a-contest", code=1).stderr


def test_a_dry_run_prints_the_command_and_does_nothing(foldwise, service, tmp_path):
    done = foldwise("download", "-c", "a-contest", "--dry-run")
    assert done.stdout == f"kaggle competitions download a-contest -p {tmp_path}/input/.a-contest.download\n"
    assert service.requests == []
    assert not (tmp_path / "input").exists()


@pytest.mark.parametrize("slug", ["../x", "https://www.kaggle.com/c/x", "--help-me", "X"])
def test_a_name_that_is_none(foldwise, slug):
    assert "give the last part of the contest's address" in foldwise("download", f"--competition={slug}", code=2).stderr
