"""States on shared storage: a file system, and one that is none."""

import json

import numpy as np
import pytest

pytest.importorskip("ray")
pytestmark = pytest.mark.ray

from foldwise.cluster.checkpoints import Place, check_url  # noqa: E402 - after the check that Ray is there


def state(steps: int, turn: int):
    content = {"state.json": json.dumps({"steps": steps, "turn": turn}).encode(), f"arrays-{turn}": b"weights" * steps}
    return {name: np.frombuffer(part, np.uint8) for name, part in content.items()}


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_the_state_that_is_further_counts(kind, tmp_path):
    place = Place((tmp_path / "shared").as_uri() if kind == "file" else f"memory://{tmp_path.name}/shared")
    check_url(place.url)
    here = tmp_path / "fold0-state"
    place.fetch(here)
    assert not here.exists()
    place.keep(state(10, 0))
    place.keep(state(20, 1))
    place.fetch(here)
    assert json.loads((here / "state.json").read_text())["steps"] == 20
    assert (here / "arrays-1").read_bytes() == b"weights" * 20
    place.keep(state(5, 0))
    place.fetch(here)
    assert json.loads((here / "state.json").read_text())["steps"] == 20
    place.keep({})
    other = tmp_path / "fold1-state"
    place.fetch(other)
    assert not other.exists()
