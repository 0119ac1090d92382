"""`./run.sh kernel push | status | output` with the real client against a service on 127.0.0.1."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from foldwise.errors import RunError
from foldwise.files import write_checked
from foldwise.kaggle.kernels import log_lines, wait_for_kernel
from kaggle_service.loopback import Answer, error, quota

KERNEL = "ada/foldwise-spooky"
URL = "https://www.kaggle.com/code/ada/foldwise-spooky"
SAVED = {"ref": "/ada/foldwise-spooky", "url": URL, "versionNumber": 4}
LOG = json.dumps(
    [{"stream_name": "stdout", "time": number, "data": f"line {number}\n"} for number in range(30)]
    + [{"stream_name": "stderr", "time": 31, "data": "MemoryError"}]
)
DENIED = f"Kaggle has no kernel {KERNEL} that these credentials may see; push it first"


def status(name: str, message: str = "") -> dict[str, str]:
    return {"status": name, **({"failureMessage": message} if message else {})}


def test_push(foldwise, service, kernel):
    service.on("SaveKernel", SAVED)
    done = foldwise("kernel", "push", "-c", "spooky")
    (sent,) = service.asked("SaveKernel")
    assert sent["slug"] == KERNEL
    assert sent["text"] == "print('hello')\n"
    assert (sent["enableInternet"], sent["isPrivate"], sent["machineShape"]) == (False, True, "NvidiaTeslaT4")
    assert f"kernel    {KERNEL} version 4 runs; next: ./run.sh kernel status -c spooky --output" in done.stdout
    pushed = json.loads((kernel.parent / "kernel-pushed.json").read_text())
    assert (pushed["id"], pushed["version"]) == (KERNEL, 4)


@pytest.mark.parametrize(
    ("answer", "line", "warning"),
    [
        (quota(30), "GPU quota: 30.0 of 30 h left this week", ""),
        (quota(3.26), "GPU quota: 3.3 of 30 h left this week", "up to 12 h, and ends without output when the hours"),
        (quota(0), "GPU quota: 0.0 of 30 h left this week", "no GPU hours are left this week, new hours on 2026-11-28"),
        (error(500), "", "the GPU quota cannot be had, going on without it: Kaggle has an error of its own (500)"),
        ({}, "", "the GPU quota cannot be had"),
    ],
)
def test_the_quota_is_shown_before_a_push_and_never_stops_it(foldwise, service, kernel, answer, line, warning):
    service.on("GetAcceleratorQuotaStatistics", answer)
    service.on("SaveKernel", SAVED)
    done = foldwise("kernel", "push", "-c", "spooky")
    assert [name for name, _ in service.requests] == ["GetAcceleratorQuotaStatistics", "SaveKernel"]
    assert line in done.stdout
    assert ("GPU quota" in done.stdout) == bool(line)
    assert warning in done.stderr
    assert bool(done.stderr) == bool(warning)


def test_a_kernel_without_a_gpu_asks_for_no_quota(foldwise, service, kernel):
    path = kernel / "kernel-metadata.json"
    path.write_text(path.read_text().replace('"enable_gpu": true', '"enable_gpu": false'))
    service.on("SaveKernel", SAVED)
    foldwise("kernel", "push", "-c", "spooky")
    assert [name for name, _ in service.requests] == ["SaveKernel"]


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        ({"error": "Maximum batch GPU session count of 2 reached."}, 1, "Kaggle refuses the kernel: Maximum batch GPU"),
        ({**SAVED, "invalidDatasetSources": ["ada/weights"]}, 2, "does not know: dataset ['ada/weights']"),
        ({**SAVED, "invalidCompetitionSources": ["spooky"]}, 2, "does not know: competition ['spooky']"),
        ({"url": URL}, 1, "gives the kernel no version"),
        (error(401), 2, "refuses the credentials (401)"),
        (error(403), 2, "accept its rules at https://www.kaggle.com/competitions/spooky/rules"),
        (error(404), 2, DENIED),
        (error(429), 1, "too many requests (429)"),
        (error(500), 1, "an error of its own (500)"),
    ],
)
def test_a_push_that_fails(foldwise, service, kernel, answer, code, expected):
    service.on("SaveKernel", answer)
    assert expected in foldwise("kernel", "push", "-c", "spooky", code=code).stderr
    assert not (kernel.parent / "kernel-pushed.json").exists()


def test_an_error_that_the_client_finds_itself(foldwise, kernel):
    (kernel / "kernel.py").unlink()
    assert "Source file not found" in foldwise("kernel", "push", "-c", "spooky", code=1).stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{", "not JSON"), ("[]", "id = None"), ('{"id": "no-owner"}', "id = 'no-owner': write your Kaggle user name")],
)
def test_metadata_that_is_none(foldwise, kernel, text, expected):
    (kernel / "kernel-metadata.json").write_text(text)
    assert expected in foldwise("kernel", "push", "-c", "spooky", code=2).stderr


def test_no_kernel_yet(foldwise):
    message = foldwise("kernel", "status", "-c", "spooky", code=2).stderr
    assert "no kernel is built yet; run `./run.sh kernel build -c spooky --output" in message


def test_status(foldwise, service, kernel):
    service.on("GetKernelSessionStatus", status("COMPLETE"))
    done = foldwise("kernel", "status", "-c", "spooky")
    assert f"kernel    {KERNEL} is complete" in done.stdout
    assert service.asked("GetKernelSessionStatus") == [{"userName": "ada", "kernelSlug": "foldwise-spooky"}]


def test_status_is_asked_until_the_kernel_ends(service, capsys):
    states = [status("QUEUED"), status("RUNNING"), error(500), status("RUNNING"), status("COMPLETE")]
    service.on("GetKernelSessionStatus", *states)
    wait_for_kernel(KERNEL, "spooky", interval=0)
    assert len(service.asked("GetKernelSessionStatus")) == 5
    shown = capsys.readouterr().out
    assert [line.split(",")[0] for line in shown.splitlines()] == [
        f"kernel    {KERNEL} QUEUED",
        f"kernel    {KERNEL} RUNNING",
        f"kernel    {KERNEL} is complete",
    ]


def test_a_service_that_stays_away_ends_the_wait(service):
    service.on("GetKernelSessionStatus", status("RUNNING"), error(500))
    with pytest.raises(RunError, match=r"an error of its own \(500\)"):
        wait_for_kernel(KERNEL, "spooky", interval=0)
    assert len(service.asked("GetKernelSessionStatus")) == 7


@pytest.mark.parametrize("state", ["ERROR", "CANCEL_ACKNOWLEDGED"])
def test_a_kernel_that_failed_shows_the_end_of_its_log(foldwise, service, kernel, state):
    service.on("GetKernelSessionStatus", status(state, "Your notebook tried to allocate more memory"))
    service.on("ListKernelSessionOutput", {"log": LOG})
    done = foldwise("kernel", "status", "-c", "spooky", code=1)
    assert f"{KERNEL} ended with {state}: Your notebook tried to allocate more memory" in done.stderr
    logged = [line for line in done.stdout.splitlines() if line.startswith("log ")]
    assert logged == [*(f"log       line {number}" for number in range(11, 30)), "log       MemoryError"]


def test_a_kernel_that_failed_says_so_where_its_log_cannot_be_had(foldwise, service, kernel):
    service.on("GetKernelSessionStatus", status("ERROR", "out of memory"))
    service.on("ListKernelSessionOutput", error(500))
    message = foldwise("kernel", "status", "-c", "spooky", code=1).stderr
    assert f"{KERNEL} ended with ERROR: out of memory; its log cannot be had (Kaggle has an error of its own" in message


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        (error(401), 2, DENIED),
        (error(403), 2, DENIED),
        (error(404), 2, DENIED),
        (error(429), 1, "too many requests (429)"),
        (error(500), 1, "an error of its own (500)"),
    ],
)
def test_errors_of_status_and_output(foldwise, service, kernel, answer, code, expected):
    service.on("GetKernelSessionStatus", answer)
    service.on("ListKernelSessionOutput", answer)
    assert expected in foldwise("kernel", "status", "-c", "spooky", code=code).stderr
    assert expected in foldwise("kernel", "output", "-c", "spooky", code=code).stderr


def test_output(foldwise, service, kernel):
    files = {"submission.csv": b"id,EAP\n1,0.5\n", "bilstm/fold0/log.jsonl": b"{}\n"}
    entries = [{"url": f"http://localhost/out/{name}?Signature=s", "fileName": name} for name in files]
    service.on("ListKernelSessionOutput", {"files": entries, "log": LOG})
    for name, content in files.items():
        service.on(f"/out/{name}", Answer(content))
    old = kernel.parent / "kernel-output" / "old.csv"
    old.parent.mkdir()
    old.write_text("old")
    done = foldwise("kernel", "output", "-c", "spooky")
    assert not old.exists()
    assert {name: (old.parent / name).read_bytes() for name in files} == files
    assert "kernel-output/submission.csv: 13 bytes" in done.stdout


def test_an_output_that_is_cut_off_or_an_error_page_changes_nothing(foldwise, service, kernel):
    entry = {"url": "http://localhost/out/submission.csv", "fileName": "submission.csv"}
    service.on("ListKernelSessionOutput", {"files": [entry]})
    old = kernel.parent / "kernel-output" / "submission.csv"
    old.parent.mkdir()
    old.write_text("id,EAP\n1,0.5\n")
    service.on("/out/submission.csv", Answer(b"id,EAP\n1,0.", cut=11, length=99))
    assert "the transfer was cut off" in foldwise("kernel", "output", "-c", "spooky", code=1).stderr
    service.on("/out/submission.csv", error(403))
    assert "arrived as an error page" in foldwise("kernel", "output", "-c", "spooky", code=1).stderr
    service.on("ListKernelSessionOutput", {"files": [], "log": LOG})
    assert f"{KERNEL} has no output" in foldwise("kernel", "output", "-c", "spooky", code=1).stderr
    assert old.read_text() == "id,EAP\n1,0.5\n"
    assert [path.name for path in old.parent.parent.iterdir() if path.name.startswith(".")] == [".lock"]


def test_dry_runs_print_the_commands_and_do_nothing(foldwise, service, kernel):
    def printed(*arguments: str) -> list[str]:
        return foldwise("kernel", *arguments, "-c", "spooky", "--dry-run").stdout.splitlines()

    assert printed("push") == ["kaggle quota --format json", f"kaggle kernels push -p {kernel}"]
    assert printed("status") == [f"kaggle kernels status {KERNEL}", f"kaggle kernels logs {KERNEL}"]
    assert printed("output") == [f"kaggle kernels output {KERNEL} -p {kernel.parent}/kernel-output"]
    assert service.requests == []


def test_of_two_kernels_the_one_built_last_is_taken_and_named(foldwise, service, kernel):
    other = kernel.parent / "kernel-infer"
    shutil.copytree(kernel, other)
    path = other / "kernel-metadata.json"
    path.write_text(path.read_text().replace("foldwise-spooky", "foldwise-spooky-infer"))

    def printed(*arguments: str) -> list[str]:
        return foldwise("kernel", *arguments, "-c", "spooky", "--dry-run").stdout.splitlines()

    def status(name: str) -> list[str]:
        return [f"kaggle kernels status ada/{name}", f"kaggle kernels logs ada/{name}"]

    assert printed("status", "--infer") == status("foldwise-spooky-infer")
    assert printed("status", "--train") == status("foldwise-spooky")
    for folder, name, flag in ((kernel, "foldwise-spooky", "--infer"), (other, "foldwise-spooky-infer", "--train")):
        write_checked(kernel.parent / "kernel-built.json", {"last": folder.name, "files": {}})
        told = f"kernel    the one in {folder}, which was built last; {flag} takes the other one"
        assert printed("status") == [told, *status(name)]
    assert printed("push")[-1] == f"kaggle kernels push -p {other}"
    assert printed("output")[-1] == f"kaggle kernels output ada/foldwise-spooky-infer -p {other}-output"
    service.on("SaveKernel", SAVED)
    shown = foldwise("kernel", "push", "-c", "spooky", "--infer").stdout
    assert "next: ./run.sh kernel status -c spooky --infer --output" in shown
    assert json.loads((kernel.parent / "kernel-infer-pushed.json").read_text())["version"] == 4
    assert not (kernel.parent / "kernel-pushed.json").exists()
    shutil.rmtree(kernel)
    assert printed("status") == status("foldwise-spooky-infer")  # the only one there is
    refused = foldwise("kernel", "status", "-c", "spooky", "--train", code=2).stderr
    assert "no kernel is built yet; run `./run.sh kernel build -c spooky --output" in refused


def test_the_client_is_not_installed(service, tmp_path, kernel):
    """A Python that sees the packages but has no kaggle beside it or on the PATH."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    paths = [str(Path(__file__).resolve().parents[2] / "src"), sysconfig.get_path("purelib")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PATH": str(python.parent)}
    arguments = ["kernel", "push", "-c", "spooky", "--output", str(tmp_path / "output")]
    ended = subprocess.run(
        [python, "-m", "foldwise", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "python -m pip install kaggle==2.2.4 six`" in ended.stderr


def test_a_log_of_plain_text():
    assert log_lines("one\n\ntwo") == ["one", "two"]
    assert log_lines("") == []
    assert log_lines("12") == ["12"]
