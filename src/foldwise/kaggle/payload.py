"""Files as text that a script carries: compressed, in base 85, with a hash of each."""

import base64
import hashlib
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from foldwise.errors import InputError

LIMIT = 1_000_000  # bytes of a kernel's code; Kaggle takes no more
WIDTH = 120  # characters of a line; none of base 85 is a quote or a backslash


@dataclass(frozen=True)
class Part:
    """Files that are weighed together.

    Attributes:
        name: what they are.
        files: content by path, relative to where it is unpacked.
        fix: how to make them smaller.
    """

    name: str
    files: dict[str, bytes]
    fix: str = ""

    @cached_property
    def packed(self) -> bytes:
        """The contents one after the other, compressed."""
        return lzma.compress(b"".join(content for _, content in sorted(self.files.items()))) if self.files else b""

    @property
    def size(self) -> int:
        """Bytes before packing."""
        return sum(map(len, self.files.values()))

    @property
    def weight(self) -> int:
        """Bytes in the script: of five characters four bytes come back."""
        return -(-len(self.packed) * 5 // 4)


@dataclass(frozen=True)
class Payload:
    """What a script carries.

    Attributes:
        files: bytes and sha256 of each file, by path.
        text: the contents, in lines of base 85.
        sha256: of the compressed bytes.
    """

    files: dict[str, tuple[int, str]]
    text: str
    sha256: str


def pack(parts: Sequence[Part]) -> Payload:
    """The parts one after the other; compressed pieces in a row are one compressed piece."""
    files = {
        name: (len(content), hashlib.sha256(content).hexdigest())
        for part in parts
        for name, content in sorted(part.files.items())
    }
    packed = b"".join(part.packed for part in parts)
    text = base64.b85encode(packed).decode()
    lines = [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]
    return Payload(files, "\n".join(lines), hashlib.sha256(packed).hexdigest())


def weights(parts: Sequence[Part], total: int) -> list[str]:
    """A table of what weighs what, a line a part.

    Args:
        total: bytes of the finished code.
    """
    lines = [f"{'part':<14}{'files':>6}{'bytes':>12}{'in the code':>14}"]
    lines += [f"{part.name:<14}{len(part.files):>6}{part.size:>12,}{part.weight:>14,}" for part in parts if part.files]
    rest = total - sum(part.weight for part in parts)
    return [*lines, f"{'code around it':<32}{rest:>14,}", f"{'together':<32}{total:>14,}"]


def check_size(parts: Sequence[Part], total: int) -> None:
    """Refuse a kernel that is too large.

    Raises:
        InputError: with what weighs what, and how to make the heaviest part smaller.
    """
    if total <= LIMIT:
        return
    heaviest = max(parts, key=lambda part: part.weight)
    table = "\n  ".join(weights(parts, total))
    raise InputError(
        f"the kernel has {total:,} bytes, and Kaggle takes {LIMIT:,} at most:\n  {table}\n  {heaviest.fix}"
    )
