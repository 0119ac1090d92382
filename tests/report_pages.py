"""What tests of the report share: its page, taken apart by a strict reader."""

import base64
import hashlib
import re
from html.parser import HTMLParser

VOID = {"meta", "input", "br"}
# Every element and attribute that the report has; whatever else stands in a page came from a text.
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "nav", "a", "section", "p", "div"),
    *("table", "thead", "tbody", "tr", "th", "td", "b", "code", "details", "summary", "blockquote", "figure"),
    *("figcaption", "span", "svg", "path", "text", "mark", "input", "script"),
}


class Page(HTMLParser):
    """The elements of a page; an assertion fails where one is not closed, or is none of the report's."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.content, self.open, self.tables = content, list[str](), list[list[list[str]]]()
        self.heading, self.text, self.policy = "", "", ""
        self.titles: dict[str, list[list[list[str]]]] = {}
        self.sources = {"style": "", "script": ""}
        self.links, self.names = set[str](), set[str]()
        self.feed(content)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag in TAGS, tag
        assert len(given) == len(attrs)
        assert not any(name.startswith("on") or name in ("style", "src") for name in given), attrs
        self.policy = self.policy or (given.get("content") or "") * ("http-equiv" in given)
        self.links |= {given["href"] or ""} if "href" in given else set()
        self.names |= {given["id"] or ""} if "id" in given else set()
        if tag == "h2":
            self.heading = ""
        if tag == "table":
            self.tables.append([])
            self.titles.setdefault(self.heading, []).append(self.tables[-1])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside in self.sources:
            self.sources[inside] += data
            return
        self.text += data
        if inside == "h2":
            self.heading += data
        if "table" in self.open and ("td" in self.open or "th" in self.open):
            self.tables[-1][-1][-1] += data

    def column(self, section: str, name: str, number: int = 0) -> list[str]:
        """The cells of a column of a section's table."""
        head, *rows = self.titles[section][number]
        return [row[head.index(name)].strip() for row in rows]


def read_page(content: str) -> Page:
    """A page that is well-formed, loads nothing, and has nothing in it that shows nothing."""
    page = Page(content)
    assert page.policy.startswith("default-src 'none'; ")
    for kind, source in page.sources.items():
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in page.policy
    assert {link.removeprefix("#") for link in page.links} <= page.names
    assert all(link.startswith("#") for link in page.links)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|https?:", "".join(page.sources.values()))
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", content)
    return page
