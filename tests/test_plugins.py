import itertools

import pytest

from foldwise import plugins
from foldwise.errors import InputError

numbers = itertools.count()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module on the path under a name of its own; → its name and file."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(source):
        name = f"own_module_{next(numbers)}"
        path = tmp_path / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        return name, path

    return write


def test_names_and_own_ones():
    assert plugins.is_own("mine:MyLoss")
    assert not plugins.is_own("cross_entropy")


def test_what_a_module_holds_is_loaded(module):
    name, _ = module("class MyLoss:\n    number = 7\n")
    assert plugins.load(f"{name}:MyLoss", "recipe.training.loss").number == 7


@pytest.mark.parametrize(
    ("source", "spec", "phrases"),
    [
        ("", "no_such_module:Loss", ["no module 'no_such_module'", "src/no_such_module.py"]),
        ("", "json.no_such:Loss", ["no module 'json.no_such'", "src/json/no_such.py, or install it"]),
        ("", "json.decoder.no_such:Loss", ["no module 'json.decoder.no_such'"]),
        ("import no_such_library", "{name}:Loss", ["fails to import", "No module named 'no_such_library'", "line 1"]),
        (
            "x = 1\ny = x / 0",
            "{name}:Loss",
            ["fails to import: ZeroDivisionError", "{name}.py, line 2", "fix it, or install"],
        ),
        ("def broken(:", "{name}:Loss", ["fails to import: SyntaxError", "{name}.py, line 1"]),
        ("class MyLoss: pass", "{name}:Myloss", ["{name}.py has no 'Myloss'", "did you mean MyLoss?"]),
        ("other = 1", "{name}:Zzz", ["has no 'Zzz'", "it has other"]),
        ("", "{name}:Loss", ["has no 'Loss'", "it has nothing"]),
        ("", "{name}:", ["write it as module:attribute"]),
        ("", ":Loss", ["write it as module:attribute"]),
        ("", "src/mine.py:Loss", ["write it as module:attribute", "src/mine.py"]),
    ],
)
def test_faults_name_key_spec_and_mend(module, source, spec, phrases):
    name, _ = module(source)
    with pytest.raises(InputError) as caught:
        plugins.load(spec.format(name=name), "recipe.training.loss")
    message = str(caught.value)
    assert message.startswith(f"recipe.training.loss = {spec.format(name=name)!r}: ")
    for phrase in phrases:
        assert phrase.format(name=name) in message
    assert "\n" not in message


def test_the_hash_follows_the_file_alone(module):
    name, path = module("loss = 1\n")
    other, _ = module("loss = 1\n")
    first = plugins.source_hash(f"{name}:loss")
    assert first == plugins.source_hash(f"{name}:anything") == plugins.source_hash(f"{other}:loss")
    path.write_text("loss = 12\n", encoding="utf-8")
    assert plugins.source_hash(f"{name}:loss") != first


def test_the_hash_of_a_module_without_a_file_and_of_none():
    assert plugins.source_hash("sys:float_info") == plugins.source_hash("sys:version")
    for missing in ("no_such_module:Loss", "no_such.module:Loss"):
        with pytest.raises(InputError, match="no module"):
            plugins.source_hash(missing)
