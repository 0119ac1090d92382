"""Which encoding a file's bytes are in, told by the letters that they make. Only `init` asks; training never guesses.

UTF-8 and UTF-16 show by their bytes. In any other encoding most bytes make some letter: the right one is that in which
they make the letters that its languages use most, in words that do not mix scripts.
"""

import codecs
import io
import re
from pathlib import Path
from typing import NamedTuple

from foldwise.data.formats import unmarked_utf16
from foldwise.errors import InputError, shorten

LATIN = {
    "cp1252": "àâäáãåæçèéêëíîïñòóôõöøœùúûüßÀÂÄÁÅÆÇÈÉÊÍÎÑÓÔÖØÚÜ¿¡«»„“”‘’–—…€£§°ºª·•",
    "cp1250": "ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňřšťúůýžÁČÉÍŘŠÚÝŽőűăâîşţđöüäô„“”‘’–—…",
    "cp1254": "ğışöüçâîûĞİŞÖÜÇ“”‘’–—…",
}
# Of each the most frequent letters. A text in another encoding has few of them.
OTHERS = {
    "gb18030": "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学"
    "对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动，。、！？：；（）《》“”",
    "big5": "的一是不了在人有我他這中大來上個國到說們為子和你地出道也時年得就那要下以生會自著去之過家學"
    "對可她裡後小麼心多天而能好都然沒日於起還發成事只作當想看文無開手十用主行方又如前所本見經頭面公同三已老從動，。、！？：；（）「」",
    "cp932": "のにはをたがでてとしれさあいうるなかもらりくこっすきまんどよつけせそやわちーンスルトリアイ、。",
    "euc_jp": "のにはをたがでてとしれさあいうるなかもらりくこっすきまんどよつけせそやわちーンスルトリアイ、。",
    "cp949": "이다는에의가을를한고은지도로하서사나기자시리어그대들있것수해인정아라여만과보스일게주전부제상장까거면요니",
    "cp1251": "оеаинтсрвлкмдпуя",
    "koi8_r": "оеаинтсрвлкмдпуя",
    "cp1253": "αοιετσνηυρκπμλς",
    "cp1255": "יוהלאתרמשבנכדםעח",
    "cp1256": "اليمونرتبةعدسفهكأ",
    "cp874": "านรอกเงมยลวดทส่้",
}
LINES = 2000  # that are looked at
MIXED = 0.05  # lines that are UTF-8, to those that are not: from here on both are meant
ENOUGH, OF_ALPHABET, CLEARLY = 0.2, 0.8, 1.2  # share of the letters that fit; in a Latin alphabet; to the next best
RUN = re.compile(r"[^\x00-\x7f]+")
APART = re.compile(r"(?<![A-Za-z])[^\x00-\x7f]+(?![A-Za-z])")


class Guess(NamedTuple):
    """An encoding, or several that may be it, and why."""

    names: list[str]  # one where the bytes decide; none for plain ASCII
    reason: str


def guess_encoding(path: Path, content: bytes) -> Guess:
    """What the bytes of a file are; `InputError` where they are in two encodings."""
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if content.startswith(mark):
            return Guess([name], f"{path.name} begins with its mark")
    if name := unmarked_utf16(content):
        return Guess([name], f"{path.name} has a zero at every other byte")
    count, there, bad, numbers = 0, 0, [], []
    for number, line in enumerate(io.BytesIO(content), start=1):
        count = number
        if not line.isascii():
            try:
                line.decode()
                there += 1
            except UnicodeDecodeError:
                bad.append(line)
                numbers.append(number)
    if not bad:
        return Guess(["utf-8"] if there else [], "")
    lines = f"{len(bad):,} of {count:,} lines of {path.name} are not UTF-8"
    if there > MIXED * len(bad):
        first = f"line {numbers[0]} is the first that is not"
        raise InputError(f"{path}: {lines}, and {there:,} with letters beyond ASCII are; {first}; save it anew")
    names = rank(b"".join(bad[:LINES]))
    readings = [f"line {numbers[0]} is {excerpt(bad[0], name)} in {name}" for name in names[:4]]
    return Guess(names, f"{lines}; {', '.join(readings)}")


def rank(content: bytes) -> list[str]:
    """The encoding that clearly fits, alone; else all that are possible, likely ones first."""
    readings = {}
    for name in (*LATIN, *OTHERS):
        try:
            readings[name] = content.decode(name)
        except UnicodeDecodeError:
            continue
    scores = {name: fit(text, name) for name, text in readings.items()}
    if scores.get("cp1252", 0) >= OF_ALPHABET:
        return ["cp1252"]
    ranked = sorted(scores, key=lambda name: -scores[name])
    if ranked and scores[ranked[0]] >= ENOUGH and (len(ranked) == 1 or scores[ranked[0]] > CLEARLY * scores[ranked[1]]):
        return ranked[:1]
    return ranked or ["latin-1"]


def fit(text: str, name: str) -> float:
    """The share of the letters beyond ASCII that are usual where a text is in that encoding.

    Latin ones stand alone or in pairs among others, those of other scripts not beside them.
    """
    total = sum(len(run) for run in RUN.findall(text))
    if name in LATIN:
        letters = "".join(run for run in RUN.findall(text) if len(run) <= 2)
        return sum(map(set(LATIN[name]).__contains__, letters)) / total
    return sum(map(set(OTHERS[name]).__contains__, "".join(APART.findall(text)))) / total


def excerpt(line: bytes, name: str) -> str:
    """The words of a line around its first letter beyond ASCII, for a person to judge."""
    text = line.decode(name, "replace").strip()
    place = RUN.search(text)
    start = max(0, place.start() - 12 if place else 0)
    return shorten("…" * (start > 0) + text[start : start + 30], 40)
