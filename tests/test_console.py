"""What a person sees of folds that train or predict, without a terminal."""

from foldwise import console
from foldwise.console import FoldProgress, RowProgress


def test_a_long_epoch_is_not_silent(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    progress = FoldProgress()
    progress.update(0, "bilstm fold 0", {"event": "start", "steps": 1000})
    for _ in range(20):
        now += 10.0
        progress.update(0, "bilstm fold 0", {"event": "steps", "steps": 10})
    shown = capsys.readouterr().out.splitlines()
    assert shown == [
        "train     bilstm fold 0: step 70 of 1,000, 15 min 30 s left if not stopped early",
        "train     bilstm fold 0: step 140 of 1,000, 14 min 20 s left if not stopped early",
    ]
    progress.close()


def test_many_rows_are_not_predicted_in_silence(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    progress = RowProgress("infer", 4000)
    for _ in range(15):
        now += 10.0
        progress.update(100)
    progress.close()
    assert capsys.readouterr().out.splitlines() == [
        "infer     700 of 4,000 rows, 5 min 30 s left",
        "infer     1,400 of 4,000 rows, 4 min 20 s left",
    ]
