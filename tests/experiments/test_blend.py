import shutil

import pytest

from experiments.conftest import SLUG, settings
from experiments.test_compare import change, rows_of
from foldwise.files import read_json
from reliability.in_process import results


def test_a_blend_of_two_is_an_ensemble_of_their_members(foldwise, output, trained):
    path = trained / "input" / SLUG / "competition.toml"
    path.write_text(path.read_text() + "model.layers = 3\nensemble.weights = 'equal'\n")
    said = foldwise("blend", "net", "lin")
    experiments = output / "experiments"
    assert results(experiments / "blend-net-lin") == results(experiments / "both")
    assert "member net/bilstm, weight 0." in said
    summary, whole = (read_json(experiments / name / "summary.json") for name in ("blend-net-lin", "both"))
    assert summary["cv"] == whole["cv"]
    assert summary["blend"] == ["net", "lin"]
    assert list(summary["ensemble"]["weights"].values()) == list(whole["ensemble"]["weights"].values())
    assert len(summary["outputs"]) == len(whole["outputs"])
    assert summary["outputs"][:3] == whole["outputs"][:3]
    assert rows_of(foldwise("compare", "--json"))["blend-net-lin"]["changes"] == ["blend of net, lin"]
    assert not (experiments / "blend-net-lin" / "tokens").exists()
    said = foldwise("report", "--name", "blend-net-lin", code=2)
    assert "a blend, whose models are those of net, lin; report on these" in said


def test_what_two_have_in_common_counts_once(foldwise, output):
    said = foldwise("blend", "both", "net", "lin", "--name", "all-of-them")
    assert "net/bilstm: the same predictions as both/bilstm, taken once" in said
    assert results(output / "experiments" / "all-of-them") == results(output / "experiments" / "both")


def test_the_run_without_a_name_may_be_blended(foldwise, output):
    foldwise("all", *settings("net"))
    foldwise("blend", "unnamed", "lin", "--name", "new")
    assert results(output / "experiments" / "new") == results(output / "experiments" / "both")


@pytest.mark.parametrize("names", [["net"], ["net", "net"], ["net", "lin", "--name", "lin"]])
def test_not_enough_to_blend(names, foldwise):
    assert "give two or more different experiments" in foldwise("blend", *names, code=2)


def test_a_run_with_folds_of_its_own_loses_nothing_to_a_blend_and_a_blend_nothing_to_the_report(foldwise, output):
    before = results(output / "experiments" / "both")
    assert "--name both: a run with folds of its own" in foldwise("blend", "net", "lin", "--name", "both", code=2)
    assert results(output / "experiments" / "both") == before
    foldwise("blend", "net", "lin")
    assert "a blend, whose models are those of net, lin" in (
        said := foldwise("report", "--name", "blend-net-lin", code=2)
    )
    assert "run.sh all" not in said
    foldwise("blend", "net", "lin")  # again


def test_what_does_not_go_together_is_refused_by_name(foldwise, output, trained):
    net = output / "experiments" / "net"
    change(net / "summary.json", fold_file="0" * 16)
    assert "error: net: its folds are not those of" in foldwise("blend", "lin", "net", code=2)
    shutil.rmtree(net)
    assert "'net': no such experiment" in foldwise("blend", "lin", "net", code=2)
    net.mkdir()
    assert "error: net: " in (message := foldwise("blend", "lin", "net", code=2))
    assert "summary.json is missing" in message
    foldwise("blend", "lin", "both", "--name", "b")
    assert "error: b: a blend already; name what it is of: lin, both" in foldwise("blend", "b", "lin", code=2)
    path = trained / "input" / SLUG / "competition.toml"
    path.write_text(path.read_text().replace('kind = "label"', 'kind = "probability"').replace('"f1"', '"log_loss"'))
    foldwise("blend", "lin", "both", "--name", "by-another-metric")
    path.write_text(path.read_text().replace('target = ["target"]', 'target = ["id"]'))
    assert "lin: made with other settings than competition.toml has now: columns.target" in foldwise(
        "blend", "lin", "both", code=2
    )


def test_folds_that_are_damaged_or_of_another_training(foldwise, output):
    fold = output / "experiments" / "net" / "bilstm" / "fold0"
    whole = (fold / "oof.safetensors").read_bytes()
    (fold / "oof.safetensors").write_bytes(whole[:-1])
    assert "oof.safetensors is damaged; run `./run.sh all" in foldwise("blend", "net", "lin", code=2)
    (fold / "oof.safetensors").write_bytes(whole)
    change(fold / "fold.json", seconds=1.0)
    message = foldwise("blend", "net", "lin", code=2)
    assert "error: net: bilstm was trained again since its submission was made" in message
    assert "warning: bilstm was trained again since the submission was made" in foldwise("report", "--name", "net")


def test_other_rows_to_predict(foldwise, trained):
    folder = trained / "input" / SLUG
    last = (folder / "sample_submission.csv").read_text().splitlines()[-1].partition(",")[0]
    for name in ("test.csv", "sample_submission.csv"):
        path = folder / name
        path.write_text(path.read_text().replace(f"\n{last},", f"\n{last}-new,"))
    assert "its rows are not those of the tables any more" in foldwise("blend", "net", "lin", code=2)


def test_members_of_some_folds_and_models_on_all_rows(foldwise, output):
    members = ["members.linear.model.name=linear", "members.few.model.name=linear", "members.few.linear.C=8"]
    recipe = [*members, "members.few.folds=[0]", "training.validate=false"]
    some = [part for setting in recipe for part in ("--set", setting)]
    foldwise("all", "--name", "some", *some)
    foldwise("all", "--name", "one", *some, "--set", 'ensemble.members=["few"]')
    foldwise("all", "--name", "two", *some, "--set", 'ensemble.members=["linear"]')
    foldwise("blend", "one", "two")
    assert results(output / "experiments" / "blend-one-two") == results(output / "experiments" / "some")
