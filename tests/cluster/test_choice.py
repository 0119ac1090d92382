"""What `--engine` and its options take, before any cluster is started."""

import importlib.util

import pytest

from foldwise.cluster.choice import RayEngine, choose_engine
from foldwise.cluster.versions import differing, make_probe
from foldwise.errors import InputError

NEEDS_RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")


def test_local_is_the_engine_that_there_is_anyway():
    assert choose_engine("local") is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("rya",), "--engine 'rya': no such engine; did you mean ray?"),
        (("local", "auto"), "--ray-address: only with --engine ray; add that, or take --ray-address away"),
        (("local", None, "s3://x"), "--checkpoints: only with --engine ray; add that, or take --checkpoints away"),
        pytest.param(("ray", "head"), "--ray-address 'head': give HOST:PORT, such as 10.0.0.1:6379", marks=NEEDS_RAY),
        pytest.param(("ray", None, "nowhere://x"), "--checkpoints nowhere://x: ValueError: Protocol", marks=NEEDS_RAY),
    ],
)
def test_what_makes_no_sense_is_refused(given, said):
    with pytest.raises(InputError) as error:
        choose_engine(*given)
    assert str(error.value).startswith(said)


@NEEDS_RAY
def test_what_is_asked_for_is_kept(tmp_path):
    url = (tmp_path / "states").as_uri()
    assert choose_engine("ray", "auto", url) == RayEngine("auto", url)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_a_line_says_what_to_install(cli):
    done = cli("all", "-c", "twin-binary", "--engine", "ray", code=2)
    assert done.stderr == "error: --engine ray needs Ray: pip install -r requirements-ray.txt\n"


def test_versions_are_of_packages_and_of_every_module():
    here = make_probe()()
    assert {"python", "torch", "numpy", "scipy", "scikit-learn", "foldwise"} == set(here)
    assert differing(here, make_probe()()) == ""
    assert differing(here, here | {"torch": "1.0"}) == f"torch 1.0 (here {here['torch']})"
