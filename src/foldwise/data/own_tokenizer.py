"""Tokenizers of the user's own, by `tokens.tokenizer`: code as `module:function`, or a tokenizer.json of a library."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from foldwise.config import Tokens
from foldwise.errors import InputError, shorten
from foldwise.inputs import input_hash, read_input
from foldwise.plugins import as_input_error, is_own, load, source_hash

KEY = "recipe.tokens.tokenizer"
Splitter = Callable[[Sequence[str]], list[list[str]]]  # texts to the tokens of each


def find_splitter(settings: Tokens, folders: Sequence[Path], before: str = "") -> Splitter | None:
    """What splits texts into tokens; None for foldwise's own way.

    Args:
        folders: where a tokenizer.json may lie, the first that has it counts.
        before: what its name there begins with.
    """
    if not settings.tokenizer:
        return None
    if is_own(settings.tokenizer):
        return split_by_code(settings.tokenizer)
    path = find_file(before + settings.tokenizer, folders)
    content = read_input(path)
    try:
        tokenizer = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises no other class
        raise InputError(f"{KEY}: {path}: not a file of the library tokenizers ({error})") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()  # `tokens.max_length` cuts

    def split(texts: Sequence[str]) -> list[list[str]]:
        with as_input_error(f"{KEY}: {path}: cannot split texts: "):
            encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [clean(encoding.tokens) for encoding in encodings]

    return split


def find_file(name: str, folders: Sequence[Path]) -> Path:
    """The tokenizer.json of this name in the first folder that has it; InputError where none has."""
    found = [folder / name for folder in folders if (folder / name).is_file()]
    if not found:
        places = " or ".join(map(str, dict.fromkeys(folders)))
        raise InputError(
            f'{KEY} = {name!r}: no such file in {places}; put it there, or name code of your own as "module:function"'
        )
    return found[0]


def split_by_code(name: str) -> Splitter:
    """What `module:function` or `module:Class` makes of texts, checked text by text."""
    loaded: Any = load(name, KEY)
    if inspect.isclass(loaded):
        with as_input_error(f"{KEY} = {name!r}: cannot be made without arguments: "):
            loaded = loaded()
    if not callable(loaded):
        raise InputError(f"{KEY} = {name!r}: is no function, and no class with __call__; make it take a text")

    def split(texts: Sequence[str]) -> list[list[str]]:
        rows = []
        for text in texts:
            with as_input_error(f"{KEY} = {name!r}: fails on the text {shorten(text)}: "):
                found = loaded(text)
                tokens = [found] if isinstance(found, str) else list(found)
            if isinstance(found, str):
                raise InputError(f"{KEY} = {name!r}: gives a text, {shorten(found)}, and no list of tokens; return one")
            check_tokens(name, text, tokens)
            rows.append(clean(tokens))
        return rows

    return split


def check_tokens(name: str, text: str, tokens: list[Any]) -> None:
    """Raise InputError unless tokens are strings without white space inside; nothing but white space is left out."""
    for token in tokens:
        if not isinstance(token, str):
            what, fix = f"gives {shorten(repr(token))}, which is no string", "return a list of strings"
        elif not token.isascii() and any("\ud800" <= sign <= "\udfff" for sign in token):
            what, fix = (
                f"gives the token {shorten(ascii(token))}, which is no Unicode text",
                "leave halves of signs out",
            )
        elif len(token.split()) > 1:
            what, fix = f"gives the token {shorten(token)}, which has white space inside", "join its parts by _"
        else:
            continue
        raise InputError(f"{KEY} = {name!r}: of the text {shorten(text)} it {what}; {fix}")


def clean(tokens: Sequence[str]) -> list[str]:
    """The tokens with white space inside as _, and none around them; those of nothing else are left out."""
    return ["_".join(token.split()) for token in tokens if token and not token.isspace()]


def tokenizer_hash(settings: Tokens, folders: Sequence[Path]) -> str:
    """Hash of the code or of the file; empty for foldwise's own way."""
    if not settings.tokenizer:
        return ""
    if is_own(settings.tokenizer):
        return source_hash(settings.tokenizer)
    return input_hash(find_file(settings.tokenizer, folders))
