"""`./run.sh submit` and `kernel submit` with the real client against a service on 127.0.0.1."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from foldwise.errors import RunError
from foldwise.files import write_checked
from foldwise.hashing import hash_of
from foldwise.kaggle import submissions
from foldwise.records import PublicScores, read_checked
from kaggle_service.fixtures import SECRET
from kaggle_service.loopback import Answer, error

OLD = {"ref": 1, "date": "2026-11-01T10:00:00.000Z", "status": "COMPLETE", "publicScore": "0.1", "description": "old"}

PUSHED = {"id": "ada/foldwise-spooky", "version": 4}
DEFAULT = "foldwise, log_loss 0.3123 out of fold"


def listed(*entries: dict[str, Any]) -> Answer:
    return Answer({"submissions": list(entries)})


def new(status: str, message: str = DEFAULT, **more: Any) -> dict[str, Any]:
    entry = {"ref": 2, "date": "2026-11-24T10:00:00.000Z", "status": status, "fileName": "submission.csv"}
    return {**entry, "description": message, **more}


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    path = tmp_path / "output" / "spooky" / "submission.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("id,EAP\n1,0.5\n")
    summary = {"metric": "log_loss", "cv": {"pooled": 0.31234}, "outputs": [hash_of(path), "that of oof.csv"]}
    write_checked(path.parent / "summary.json", summary)
    return path


def read_scores(path: Path) -> list[dict[str, Any]]:
    """What is kept beside a submission, or a kernel's folder."""
    known = read_checked(path.with_name("public-scores.json"), PublicScores)
    assert known
    return known["scores"]


@pytest.fixture
def ready(service):
    """A service that takes submissions and has the score at once."""
    service.on("StartSubmissionUpload", {"token": "blob", "createUrl": "http://localhost/upload/1"})
    service.on("/upload/1", Answer({}))
    service.on("CreateSubmission", {"message": "Successfully submitted to Spooky", "ref": 2})
    service.on("CreateCodeSubmission", {"message": "Successfully submitted to Spooky", "ref": 2})
    service.on("ListSubmissions", listed(OLD), listed(new("COMPLETE", "five folds", publicScore="0.29"), OLD))
    return service


def test_submit_the_csv(foldwise, ready, submission):
    done = foldwise("submit", "-c", "spooky", "-m", "five folds")
    assert ready.asked("/upload/1") == [submission.read_bytes()]
    (sent,) = ready.asked("CreateSubmission")
    assert sent["submissionDescription"] == "five folds"
    assert sent["blobFileTokens"] == "blob"
    assert "kaggle    Successfully submitted to Spooky" in done.stdout
    assert "submit    public score 0.29" in done.stdout


def test_scores_are_kept_beside_the_run_that_made_the_submission(foldwise, ready, submission):
    named = submission.parent / "experiments" / "deep" / "submission.csv"
    named.parent.mkdir(parents=True)
    named.write_text("id,EAP\n1,0.75\n")
    for score, path, name in (
        ("0.29", submission, []),
        ("0.28", named, ["--name", "deep"]),
        ("0.27", named, ["--experiment", "deep"]),
    ):
        ready.on("ListSubmissions", listed(OLD), listed(new("COMPLETE", "five folds", publicScore=score), OLD))
        foldwise("submit", "-c", "spooky", "-m", "five folds", *name)
        assert ready.asked("/upload/1")[-1] == path.read_bytes()
    found = [
        [(entry["score"], entry["submission"], entry["message"]) for entry in read_scores(path)]
        for path in (submission, named)
    ]
    made = hash_of(named)
    assert found == [
        [(0.29, hash_of(submission), "five folds")],
        [(0.28, made, "five folds"), (0.27, made, "five folds")],
    ]
    compared = json.loads(foldwise("compare", "-c", "spooky", "--json").stdout)["experiments"]
    assert [row["name"] for row in compared] == ["unnamed", "deep"]


def test_a_score_of_a_kernel_and_one_that_is_none(foldwise, ready, kernel):
    write_checked(kernel.parent / "kernel-pushed.json", PUSHED)
    foldwise("kernel", "submit", "-c", "spooky", "-m", "five folds")
    ready.on("ListSubmissions", listed(OLD), listed(new("COMPLETE", "five folds"), OLD))
    foldwise("kernel", "submit", "-c", "spooky", "-m", "five folds")
    assert [(entry["score"], entry["submission"]) for entry in read_scores(kernel)] == [(0.29, None)]


def test_a_score_that_cannot_be_kept_is_no_failure(foldwise, ready, submission):
    submission.with_name("public-scores.json").mkdir()
    done = foldwise("submit", "-c", "spooky", "-m", "five folds")
    assert "submit    public score 0.29" in done.stdout
    assert "the public score could not be written there" in done.stderr


def test_a_message_of_its_own_and_one_that_looks_like_an_option(foldwise, ready, submission):
    ready.on("ListSubmissions", listed(), listed(new("COMPLETE")))
    foldwise("submit", "-c", "spooky")
    ready.on("ListSubmissions", listed(), listed(new("COMPLETE", "-x", publicScore="0.3", privateScore="0.4")))
    done = foldwise("submit", "-c", "spooky", "--message=-x")
    assert "public score 0.3, private score 0.4" in done.stdout
    texts = [sent["submissionDescription"] for sent in ready.asked("CreateSubmission")]
    assert texts == ["foldwise, log_loss 0.3123 out of fold", "-x"]


def test_a_submission_of_another_make_does_not_carry_the_score(foldwise, submission):
    submission.write_text(submission.read_text() + "7,0.5\n")
    assert "--message=foldwise\n" in foldwise("submit", "-c", "spooky", "--dry-run").stdout


def test_submit_the_kernel(foldwise, ready, kernel):
    ready.on("SaveKernel", {"url": "https://x", "versionNumber": 4})
    foldwise("kernel", "push", "-c", "spooky")
    done = foldwise("kernel", "submit", "-c", "spooky", "-m", "five folds")
    (sent,) = ready.asked("CreateCodeSubmission")
    assert (sent["kernelOwner"], sent["kernelSlug"], sent["kernelVersion"]) == ("ada", "foldwise-spooky", 4)
    assert (sent["fileName"], sent["submissionDescription"]) == ("submission.csv", "five folds")
    assert "submit    public score 0.29" in done.stdout


def test_a_kernel_that_was_not_pushed(foldwise, kernel):
    assert (
        "not pushed from here; run `./run.sh kernel push" in foldwise("kernel", "submit", "-c", "spooky", code=2).stderr
    )


def test_no_submission_yet(foldwise):
    message = foldwise("submit", "-c", "spooky", code=2).stderr
    assert "submission.csv: no such file; run `./run.sh all -c spooky --output" in message


def submit(path: Path, message: str = "five folds") -> str:
    """As the command does, but without a pause between two looks."""
    return submissions.submit("submit file", "spooky", message, interval=0, file=path)


def test_the_score_is_waited_for(ready, submission, capsys):
    """The own submission shows late, then is pending; a team mate's new one is not taken for it."""
    mates = new("COMPLETE", "five folds, seed 1", ref=3, publicScore="0.99")
    pending, done = new("PENDING", "five folds"), new("COMPLETE", "five  folds", publicScore="0.29")
    lists = [OLD], [OLD], [mates, OLD], [mates, pending, OLD]
    ready.on("ListSubmissions", *(listed(*entries) for entries in lists), error(500), listed(mates, done, OLD))
    assert submit(submission) == "0.29"
    assert len(ready.asked("ListSubmissions")) == 6
    assert "submit    spooky waits for its score" in capsys.readouterr().out


def test_one_that_never_shows_ends_the_wait(ready, submission, monkeypatch):
    monkeypatch.setattr(submissions, "LOOKS", 2)
    ready.on("ListSubmissions", listed(OLD), listed(new("COMPLETE", "a team mate's"), OLD))
    with pytest.raises(RunError, match=r"'five folds' shows in the list; it may have been taken all the same: look at"):
        submit(submission)
    assert len(ready.asked("CreateSubmission")) == 1
    assert len(ready.asked("ListSubmissions")) == 1 + 3


def test_scoring_may_take_longer_than_showing(ready, submission, monkeypatch):
    monkeypatch.setattr(submissions, "LOOKS", 0)
    pending = [listed(new("PENDING", "five folds"))] * 3
    ready.on("ListSubmissions", listed(), *pending, listed(new("COMPLETE", "five folds", publicScore="0.29")))
    assert submit(submission) == "0.29"


def test_of_two_with_the_same_message_the_first_is_shown_with_a_warning(ready, submission, capsys):
    both = [new("COMPLETE", "five folds", ref=ref, publicScore=f"0.{ref}") for ref in (4, 3)]
    ready.on("ListSubmissions", listed(OLD), listed(*both, OLD))
    assert submit(submission) == "0.3"
    assert "warning: 2 new submissions have the message 'five folds'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("seed 1", "seed 1", True),
        ("seed 1", "seed 12", False),
        ("seed 12", "seed 1", False),
        ("foldwise, f1 0.6812 out of fold", "Notebook foldwise | Version 4: foldwise, f1 0.6812 out of fold", True),
        ("x" * 300, "x" * 255, True),
        ("x" * 300, "x" * 99, False),
        ("five folds", "", False),
    ],
)
def test_a_message_is_known_again(ours, theirs, same):
    assert submissions.is_own({"description": theirs}, ours) == same


def test_a_submission_that_cannot_be_scored(foldwise, ready, submission):
    ready.on("ListSubmissions", listed(), listed(new("ERROR", errorDescription="missing rows")))
    message = foldwise("submit", "-c", "spooky", code=1).stderr
    assert "could not score the submission; https://www.kaggle.com/competitions/spooky/submissions says why" in message


def test_a_contest_that_shows_no_score(foldwise, ready, submission):
    ready.on("ListSubmissions", listed(), listed(new("COMPLETE")))
    assert "complete; the contest shows no score" in foldwise("submit", "-c", "spooky").stdout


def test_an_upload_that_fails_submits_nothing(foldwise, ready, submission):
    ready.on("/upload/1", error(400))
    message = foldwise("submit", "-c", "spooky", code=1).stderr
    assert "the upload of the submission failed, so nothing was submitted" in message
    assert ready.asked("CreateSubmission") == []


@pytest.mark.parametrize(
    "method", ["ListSubmissions", "StartSubmissionUpload", "CreateSubmission", "CreateCodeSubmission"]
)
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, 2, "refuses the credentials (401)"),
        (403, 2, "accept its rules at https://www.kaggle.com/competitions/spooky/rules"),
        (404, 2, "Kaggle has no contest 'spooky' (404)"),
        (429, 1, "too many requests (429)"),
        (500, 1, "an error of its own (500)"),
    ],
)
def test_errors(foldwise, ready, submission, kernel, method, status, code, expected):
    ready.on(method, error(status))
    write_checked(kernel.parent / "kernel-pushed.json", PUSHED)
    command = ["kernel", "submit"] if method == "CreateCodeSubmission" else ["submit"]
    assert expected in foldwise(*command, "-c", "spooky", code=code).stderr
    assert len(ready.asked(method)) == 1


def test_what_the_service_says_is_passed_on(foldwise, ready, submission):
    ready.on("CreateSubmission", error(400, "You have used all of your submissions for today"))
    assert "You have used all of your submissions for today" in foldwise("submit", "-c", "spooky", code=1).stderr


def test_dry_runs_print_the_commands_and_do_nothing(foldwise, service, submission, kernel):
    looks = "kaggle competitions submissions spooky --format json"
    printed = foldwise("submit", "-c", "spooky", "-m", "a b", "--dry-run").stdout.splitlines()
    assert printed == [looks, f"kaggle competitions submit spooky -f {submission} '--message=a b'", looks]
    write_checked(kernel.parent / "kernel-pushed.json", PUSHED)
    printed = foldwise("kernel", "submit", "-c", "spooky", "-m", "m", "--dry-run").stdout.splitlines()
    submit = "kaggle competitions submit spooky -k ada/foldwise-spooky -v 4 -f submission.csv --message=m"
    assert printed == [looks, submit, looks]
    assert service.requests == []


@pytest.mark.parametrize("form", ["key", "token", "token file", "kaggle.json"])
def test_credentials_show_nowhere(foldwise, ready, kernel, tmp_path, monkeypatch, form):
    """Even where the service repeats them in its answers, and in each of the forms that the client takes."""
    home = tmp_path / "home" / ".kaggle"
    home.mkdir(exist_ok=True)
    ready.on("IntrospectToken", {"active": True, "username": "ada"})
    if form != "key":
        monkeypatch.delenv("KAGGLE_KEY")
        monkeypatch.delenv("KAGGLE_USERNAME")
    if form == "token":
        monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    elif form == "token file":
        (home / "access_token").write_text(f"{SECRET}\n")
    elif form == "kaggle.json":
        (home / "kaggle.json").write_text(json.dumps({"username": "ada", "key": SECRET}))
        (home / "kaggle.json").chmod(0o600)
    ready.on(
        "SaveKernel", {"error": f"no access with {SECRET}"}, {"url": f"https://x/?key={SECRET}", "versionNumber": 4}
    )
    ready.on("GetKernelSessionStatus", {"status": "ERROR", "failureMessage": SECRET})
    ready.on("ListKernelSessionOutput", {"log": f"token {SECRET}"})
    ready.on("CreateCodeSubmission", {"message": f"submitted with {SECRET}"})
    ready.on("ListSubmissions", listed(OLD), listed(new("COMPLETE", "foldwise"), OLD))
    assert "no access with …" in foldwise("kernel", "push", "-c", "spooky", code=1).stderr
    foldwise("kernel", "push", "-c", "spooky")
    assert "log       token …" in foldwise("kernel", "status", "-c", "spooky", code=1).stdout
    assert "submitted with …" in foldwise("kernel", "submit", "-c", "spooky").stdout
    sent = {headers.get("Authorization", "") for headers in ready.headers}
    basic = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    assert f"Bearer {SECRET}" in sent or f"Basic {basic}" in sent
    written = [path for path in (tmp_path / "output").rglob("*") if path.is_file()]
    assert kernel.parent / "kernel-pushed.json" in written
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
