"""The dataset of a kernel, brought up by `kernel push` with the real client against a service on 127.0.0.1."""

import json
from pathlib import Path

import pytest

from foldwise.errors import RunError
from foldwise.files import write_checked
from foldwise.kaggle import datasets
from kaggle_service.fixtures import SECRET
from kaggle_service.loopback import Answer, error

DATASET = "ada/weights"
FILES = {"weights.safetensors": b"\x01" * 3000, "vocab.json": b'{"the": 1}'}
SAVED = {"url": "https://www.kaggle.com/code/ada/foldwise-spooky", "versionNumber": 4}
TAKEN = {"url": f"https://www.kaggle.com/datasets/{DATASET}", "status": "ok", "ref": f"/{DATASET}"}
UPLOADED = "kernel-dataset-uploaded.json"


@pytest.fixture
def dataset(kernel: Path) -> Path:
    """The folder beside the kernel's."""
    folder = kernel.parent / "kernel-dataset"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    write_metadata(folder)
    return folder


def write_metadata(folder: Path, **changes) -> None:
    content = {"title": "weights", "id": DATASET, "licenses": [{"name": "CC0-1.0"}], **changes}
    (folder / "dataset-metadata.json").write_text(json.dumps(content))


@pytest.fixture
def ready(service):
    """A service that takes uploads, and has a dataset as soon as one was uploaded."""
    service.on("StartBlobUpload", {"token": "blob", "createUrl": "http://localhost/upload/1"})
    service.on("/upload/1", Answer({}))
    service.on("CreateDataset", TAKEN)
    service.on("CreateDatasetVersion", TAKEN)
    service.on("GetDatasetStatus", error(404), error(404), {"status": "READY"})
    service.on("GetDataset", {"currentVersionNumber": 1})
    service.on("SaveKernel", SAVED)
    return service


def push(foldwise, code: int = 0):
    return foldwise("kernel", "push", "-c", "spooky", code=code)


def test_a_dataset_is_created_kept_and_replaced_with_the_kernel_after_it(foldwise, ready, dataset):
    shown = push(foldwise).stdout
    names = [name for name, _ in ready.requests if name not in ("GetDataset", "GetAcceleratorQuotaStatistics")]
    uploads = ["StartBlobUpload", "/upload/1"] * 2
    status = "GetDatasetStatus"  # the client looks once itself before it creates
    assert names == [status, status, *uploads, "CreateDataset", status, "SaveKernel"]
    assert sorted(ready.asked("/upload/1")) == sorted(FILES.values())
    (sent,) = ready.asked("CreateDataset")
    assert (sent["ownerSlug"], sent["slug"], sent["title"]) == ("ada", "weights", "weights")
    assert (sent["isPrivate"], sent["licenseName"], len(sent["files"])) == (True, "CC0-1.0", 2)
    for phrase in (
        f"dataset   {DATASET}: 0.0 MB go up as a new dataset",
        "kaggle    Upload successful: weights.safetensors (3KB)",
        f"dataset   {DATASET} is ready",
        "kernel    ada/foldwise-spooky version 4 runs",
    ):
        assert phrase in shown

    ready.requests.clear()
    assert f"dataset   kept: {DATASET} has these files already" in push(foldwise).stdout
    assert ready.asked("StartBlobUpload") == ready.asked("CreateDatasetVersion") == []
    assert len(ready.asked("SaveKernel")) == 1

    (dataset / "vocab.json").write_bytes(FILES["vocab.json"].replace(b"1", b"2"))
    ready.on("GetDataset", {"currentVersionNumber": 1}, {"currentVersionNumber": 2})
    assert f"{DATASET}: 0.0 MB go up as a new version" in push(foldwise).stdout
    (sent,) = ready.asked("CreateDatasetVersion")
    assert (sent["ownerSlug"], sent["datasetSlug"]) == ("ada", "weights")
    assert (sent["body"]["versionNotes"], len(sent["body"]["files"])) == ("foldwise", 2)


def test_a_dataset_that_is_gone_from_kaggle_is_created_again(foldwise, ready, dataset):
    record = {"dataset": DATASET, "content": datasets.hash_files(dataset), "before": 7}
    write_checked(dataset.parent / UPLOADED, record)
    ready.on("GetDatasetStatus", error(403, "Permission 'datasets.get' was denied"), error(403), {"status": "READY"})
    push(foldwise)
    assert len(ready.asked("CreateDataset")) == 1


def test_content_is_names_sizes_and_bytes(dataset):
    found = {datasets.hash_files(dataset)}
    write_metadata(dataset, title="another title")
    assert datasets.hash_files(dataset) in found
    (dataset / "vocab.json").rename(dataset / "words.json")
    found.add(datasets.hash_files(dataset))
    (dataset / "words.json").write_bytes(b'{"the": 2}')
    found.add(datasets.hash_files(dataset))
    (dataset / "words.json").write_bytes(b'{"the": 2} ')
    found.add(datasets.hash_files(dataset))
    (dataset / "more.json").write_bytes(b"")
    found.add(datasets.hash_files(dataset))
    assert len(found) == 5


def update(ready, dataset: Path) -> None:
    """As `kernel push` does, but without a pause between two looks."""
    datasets.update_dataset(dataset, DATASET, dataset.parent / UPLOADED, "five folds", "spooky", interval=0)


def test_what_kaggle_still_makes_is_waited_for(ready, dataset, capsys):
    """Through all states and an error, and until the version is the new one: the old one stays ready meanwhile."""
    states = ["READY", "BLOBS_RECEIVED", "BLOBS_DECOMPRESSED", "READY", "READY"]
    first, *others = [Answer({"status": state}) for state in states]
    ready.on("GetDatasetStatus", first, others[0], error(500), *others[1:])
    ready.on("GetDataset", *({"currentVersionNumber": number} for number in (3, 3, 3, 3, 4)))
    update(ready, dataset)
    shown = [line.split(",")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("dataset ")]
    assert shown[1:] == [
        f"dataset   {DATASET} blobs received",
        f"dataset   {DATASET} blobs decompressed",
        f"dataset   {DATASET} ready but for its new version",
        f"dataset   {DATASET} is ready",
    ]


def test_a_dataset_that_does_not_show_yet_is_waited_for(ready, dataset, monkeypatch, capsys):
    monkeypatch.setattr(datasets, "LOOKS", 2)
    unseen = [error(404), error(403, "Permission 'datasets.get' was denied")]
    ready.on("GetDatasetStatus", error(404), error(404), *unseen, {"status": "READY"})
    update(ready, dataset)
    shown = capsys.readouterr().out
    assert f"{DATASET} not to be seen yet" in shown
    assert f"{DATASET} is ready" in shown
    ready.on("GetDatasetStatus", error(404))
    with pytest.raises(RunError, match="the dataset ada/weights does not show; see https"):
        update(ready, dataset)


@pytest.mark.parametrize("waited", [True, False], ids=["waited", "broken off"])
def test_a_later_version_from_elsewhere_is_replaced(ready, dataset, monkeypatch, capsys, waited):
    ready.on("GetDatasetStatus", {"status": "READY"})
    ready.on("GetDataset", {"currentVersionNumber": 3}, {"currentVersionNumber": 4 if waited else 3})
    monkeypatch.setattr(datasets, "LOOKS", 0)
    if waited:
        update(ready, dataset)
    else:
        with pytest.raises(RunError, match="does not show"):
            update(ready, dataset)
    ready.on("GetDataset", {"currentVersionNumber": 4})
    update(ready, dataset)
    assert f"kept: {DATASET} has these files already" in capsys.readouterr().out
    ready.on("GetDataset", {"currentVersionNumber": 5}, {"currentVersionNumber": 6})
    update(ready, dataset)
    assert f"version 5 of {DATASET} is from elsewhere, later than version 4 from here" in capsys.readouterr().out
    assert len(ready.asked("CreateDatasetVersion")) == 2
    update(ready, dataset)
    assert len(ready.asked("CreateDatasetVersion")) == 2


def test_a_version_that_never_shows_ends_the_wait_and_is_not_uploaded_again(ready, dataset, monkeypatch):
    monkeypatch.setattr(datasets, "LOOKS", 1)
    ready.on("GetDatasetStatus", {"status": "READY"})
    for _ in range(2):
        with pytest.raises(RunError, match="the new version of ada/weights does not show"):
            update(ready, dataset)
    assert len(ready.asked("CreateDatasetVersion")) == 1


def test_a_dataset_that_kaggle_cannot_make_is_uploaded_again_next_time(ready, dataset):
    for _ in range(2):
        ready.on("GetDatasetStatus", {"status": "READY"}, {"status": "FAILED"})
        with pytest.raises(RunError, match=r"could not make the dataset ada/weights \(failed\)"):
            update(ready, dataset)
    assert len(ready.asked("CreateDatasetVersion")) == 2


@pytest.mark.parametrize(
    ("method", "answer", "code", "expected"),
    [
        ("GetDatasetStatus", error(401), 2, "refuses the credentials (401)"),
        ("GetDatasetStatus", error(429), 1, "too many requests (429)"),
        ("GetDatasetStatus", error(500), 1, "an error of its own (500)"),
        ("CreateDataset", error(401), 2, "refuses the credentials (401)"),
        ("CreateDataset", error(403), 2, "does not let these credentials write to ada/weights (403)"),
        ("CreateDataset", error(404), 2, "does not let these credentials write to ada/weights (404)"),
        ("CreateDataset", Answer(b"", 429, {"Retry-After": "0", "Content-Type": "text/html"}), 1, "too many requests (429)"),
        ("CreateDataset", error(500), 1, "an error of its own (500)"),
        ("CreateDataset", {"status": "error", "error": "No space"}, 1, "refuses the dataset ada/weights: No space"),
        ("CreateDataset", {"status": "error", "error": "The title is already in use."}, 2, "already in use. Its name in"),
        ("CreateDataset", {**TAKEN, "invalidTags": ["x"], "status": "no", "error": "a b"}, 1, "refuses the dataset"),
        ("CreateDataset", {"status": "error", "error": f"not with {SECRET}"}, 1, "dataset ada/weights: not with …"),
        ("StartBlobUpload", error(500), 1, "an error of its own (500)"),
        ("/upload/1", error(400), 1, "did not arrive at ada/weights; run the same command again"),
    ],
)  # fmt: skip
def test_an_error_stops_before_the_kernel_and_is_not_taken_for_an_upload(
    foldwise, ready, dataset, method, answer, code, expected
):
    ready.on(method, answer)
    assert expected in push(foldwise, code=code).stderr
    assert ready.asked("SaveKernel") == []
    assert not (dataset.parent / UPLOADED).exists()


def test_no_network(foldwise, ready, dataset, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    done = push(foldwise, code=1)
    assert done.stderr.splitlines()[-1].startswith("error: kaggle.com cannot be reached")


@pytest.mark.parametrize("method", ["CreateDatasetVersion", "/upload/1"])
def test_a_version_that_is_refused_or_lacks_a_file_is_none(foldwise, ready, dataset, method):
    ready.on("GetDatasetStatus", {"status": "READY"})
    ready.on("CreateDatasetVersion", {"status": "error", "error": "too large"} if method[0] == "C" else TAKEN)
    ready.on("/upload/1", Answer({}), error(400) if method[0] == "/" else Answer({}))
    expected = "refuses the dataset ada/weights: too large" if method[0] == "C" else "did not arrive"
    assert expected in push(foldwise, code=1).stderr
    assert not (dataset.parent / UPLOADED).exists()


@pytest.mark.parametrize(
    ("changes", "code", "expected"),
    [
        ({"title": "short"}, 1, "title must be between 6 and 50 characters"),
        ({"licenses": []}, 1, "specify exactly one license"),
        ({"id": "weights"}, 2, "id = 'weights': write your Kaggle user name, a slash and the dataset's name"),
        (
            {"id": "ada/others"},
            2,
            "the kernel does not name ada/others among its dataset_sources; run `./run.sh kernel",
        ),
    ],
)
def test_metadata_that_kaggle_would_refuse(foldwise, ready, dataset, changes, code, expected):
    write_metadata(dataset, **changes)
    assert expected in push(foldwise, code=code).stderr
    assert ready.asked("StartBlobUpload") == ready.asked("CreateDataset") == []


def test_a_folder_without_metadata(foldwise, dataset):
    (dataset / "dataset-metadata.json").unlink()
    assert "no dataset is built yet; run `./run.sh kernel build" in push(foldwise, code=2).stderr


def test_a_dry_run_prints_the_commands_in_order_and_reads_no_file(foldwise, service, kernel, dataset, monkeypatch):
    monkeypatch.setattr(datasets, "hash_of", None)

    def printed() -> list[str]:
        return foldwise("kernel", "push", "-c", "spooky", "--dry-run").stdout.splitlines()

    quota, push = "kaggle quota --format json", f"kaggle kernels push -p {kernel}"
    status = f"kaggle datasets status {DATASET} --format json"
    create = f"kaggle datasets create -p {dataset} -r zip  # if Kaggle does not have the dataset"
    version = f"kaggle datasets version -p {dataset} -r zip -m foldwise  # if it has other files"
    assert printed() == [quota, status, create, version, f"{status}  # until it is ready", push]
    assert service.requests == []
