"""What cannot be taught is refused through the real command line before anything runs: exit 2, key, value and fix."""

import pytest

MEMBERS = """
[recipe.members.a]
[recipe.members.b]
training.distill = "a"
[recipe.members.c]
model.name = "linear"
"""


def members(workspace, text, slug="twin-binary"):
    path = workspace / "input" / slug / "competition.toml"
    path.write_text(path.read_text().replace("folds.n = 2", "folds.n = 3") + text)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["training.distill=linear"], "recipe.members.linear.training.distill = 'linear': linear (linear) is no network"),
        (["training.pseudo_labels=0.5"], "members.NAME.training.pseudo_labels, not for all"),
        (["members.bilstm.training.distill=liner"], "recipe.members.bilstm.training.distill = 'liner': no such member; did you mean linear?"),
        (["members.bilstm.training.distill=bilstm"], "in a circle, bilstm → bilstm; let one of them go alone"),
        (["members.bilstm.training.distill=linear", "folds.n=2"], "recipe.folds.n = 2: bilstm learns from linear; a teacher"),
        (["members.bilstm.training.distill_weight=1.5"], "training.distill_weight = 1.5: input should be"),
        (["members.bilstm.training.pseudo_labels=-1"], "training.pseudo_labels = -1: input should be"),
        (["training.extra_epochs=1", "members.linear.seed=1"], "error: recipe.training.extra_epochs = 1: there are no extra rows; name"),
        (["members.bilstm.training.extra_epochs=1"], "recipe.members.bilstm.training.extra_epochs = 1: there are no extra rows; name"),
        (["training.extra_weight=0.5"], "recipe.training.extra_weight = 0.5: there are no extra rows; name"),
        (["training.extra_weight=-1"], "training.extra_weight = -1: input should be"),
    ],
)  # fmt: skip
def test_what_cannot_be_taught(cli_here, workspace, settings, expected):
    members(workspace, "")
    error = cli_here("all", "-c", "twin-binary", *(part for one in settings for part in ("--set", one)), code=2).stderr
    assert expected in error
    assert not (workspace / "output").exists()


def test_circles_and_lonely_students_are_named(cli_here, workspace):
    members(workspace, MEMBERS)
    error = cli_here("all", "-c", "twin-binary", "--set", "members.a.training.distill=b", code=2).stderr
    assert "in a circle, a → b → a;" in error
    error = cli_here("all", "-c", "twin-binary", "--set", "members.a.training.pseudo_labels=0.5", code=2).stderr
    assert "in a circle, a → b → a;" in error
    rest = [part for name in "abc" for part in ("--set", f"members.{name}.training.pseudo_labels=0.5")]
    error = cli_here("all", "-c", "twin-binary", *rest, "--set", "members.c.model.name=bigru", code=2).stderr
    assert "recipe.members.a.training.pseudo_labels = 0.5: no other member is without pseudo-labels, to" in error


def test_no_time_budget_beside_students(cli_here, workspace):
    members(workspace, MEMBERS)
    for command in (["all"], ["kernel", "build", "--user", "ada"]):
        error = cli_here(*command, "-c", "twin-binary", "--time-budget", "1h", code=2).stderr
        assert "recipe.members.b.training.distill = 'a' with --time-budget: the budget leaves out folds" in error


def test_losses_of_class_numbers_and_auxiliary_targets(cli_here, workspace):
    members(workspace, "[recipe.members.bilstm]\n[recipe.members.linear]\nmodel.name = 'linear'\n", "twin-multiclass")
    distill = ("--set", "members.bilstm.training.distill=linear")
    error = cli_here("all", "-c", "twin-multiclass", *distill, "--set", "training.loss=focal", code=2).stderr
    assert "recipe.training.loss = 'focal': it takes numbers of classes" in error
    assert "use one of cross_entropy, nll, kl_div, label_smoothing" in error
    path = workspace / "input" / "twin-multilabel" / "competition.toml"
    path.write_text(
        path.read_text().replace(
            'target = ["positive", "negative", "strong"]', 'target = ["positive", "negative"]\nauxiliary = ["strong"]'
        )
    )
    pseudo = ("--set", "members.bilstm.training.pseudo_labels=0.5")
    error = cli_here("all", "-c", "twin-multilabel", *pseudo, code=2).stderr
    assert "test rows have no values of columns.auxiliary (strong)" in error


def test_a_teacher_of_some_folds_is_refused(cli_here, workspace):
    members(workspace, MEMBERS)
    error = cli_here("all", "-c", "twin-binary", "--set", "members.a.folds=[0]", code=2).stderr
    assert "b learns from a in every fold, and members.a.folds = [0] trains some only" in error
