"""Reads a page the way a browser would, as far as these tests ask."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "img", "hr", "input"}
_LOADING = {"src", "srcset", "poster", "data", "action", "formaction", "background"}


class Page(HTMLParser):
    """Elements, ids, references and text of one page; raises ``AssertionError`` on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.loads: list[str] = []
        self.classes: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._enter(tag, attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._enter(tag, attrs)

    def _enter(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, given in attrs:
            value = given or ""
            if name == "id":
                self.ids.append(value)
            if name == "class":
                self.classes.append(value)
            if name.endswith("href"):
                (self.references if value.startswith("#") else self.loads).append(value.removeprefix("#"))
            if name in _LOADING or (name.startswith("on") and len(name) > 2):
                self.loads.append(f"{name}={value}")
            if name in ("aria-labelledby", "aria-describedby"):
                self.references += value.split()
            if "url(" in value:
                self.references += [part.split(")")[0].strip("#\"'") for part in value.split("url(")[1:]]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)
