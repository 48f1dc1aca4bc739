"""Checks the built site: every link and anchor, nothing from other hosts, what readers with assistive tools need."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# The attributes by which a page loads something, as against leading somewhere.
LOADS = {
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("iframe", "src"),
    ("object", "data"),
    ("image", "href"),
}
STYLES_LOAD = re.compile(r"(?:url\(\s*|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)")
# How a program of the site would ask another host.
SCRIPTS_LOAD = re.compile(r"(?:fetch|importScripts|import|open|sendBeacon|src\s*=)\s*\(?\s*[\"'`]((?:https?:)?//[^\"'`]+)")


class Page(HTMLParser):
    """What one HTML page has and refers to."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.faults: list[str] = []
        self.headings: list[int] = []
        self.language = ""
        self.link_text: list[str] | None = None
        self.title = ""
        self.in_title = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.update(v for k, v in attrs if k in {"id", "name"} and v)
        if tag == "html":
            self.language = given.get("lang") or ""
        self.in_title = tag == "title" or self.in_title and tag != "body"
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for name, value in attrs:
            if (tag, name) in LOADS and value and not (tag == "link" and given.get("rel") in {"canonical", "author", "license"}):
                self.loads.append(value)
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
            self.link_text = [given.get("aria-label") or given.get("title") or ""]
        if tag == "img":
            if not given.get("alt"):
                self.faults.append(f"the image {given.get('src')} has no alternative text")
            elif self.link_text is not None:
                self.link_text.append(given["alt"] or "")

    def handle_data(self, data: str) -> None:
        if self.in_title:
            self.title += data
        if self.link_text is not None:
            self.link_text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self.in_title = False
        if tag == "a" and self.link_text is not None:
            if not "".join(self.link_text).strip():
                self.faults.append(f"the link to {self.links[-1]} has no text")
            self.link_text = None

    def readable(self) -> list[str]:
        """Says what a reader with a screen reader would miss."""
        faults = list(self.faults)
        if not self.language:
            faults.append("the page does not say its language")
        if not self.title.strip():
            faults.append("the page has no title")
        if self.headings.count(1) != 1:
            faults.append(f"the page has {self.headings.count(1)} headings of the first level")
        steps = zip(self.headings, self.headings[1:], strict=False)
        faults += [f"a heading of level {b} follows one of level {a}" for a, b in steps if b > a + 1]
        return faults


def site(out: Path) -> list[str]:
    """Returns what is wrong with the site in the folder, a line each."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(out.rglob("*.html"))}
    wrong = []
    for path, page in pages.items():
        name = path.relative_to(out)
        if path.name not in {"genindex.html", "search.html"}:
            wrong += [f"{name}: {fault}" for fault in page.readable()]
        wrong += [f"{name}: {url} comes from another host" for url in page.loads if foreign(url)]
        for link in page.links + page.loads:
            if fault := dead(out, path, link, pages):
                wrong.append(f"{name}: {fault}")
    for path in sorted(p for p in out.rglob("*") if p.suffix in {".css", ".svg", ".js"}):
        pattern = SCRIPTS_LOAD if path.suffix == ".js" else STYLES_LOAD
        wrong += [f"{path.relative_to(out)}: {url} comes from another host" for url in pattern.findall(path.read_text("utf-8"))]
    for needed in ("index.html", "404.html", "search.html", "searchindex.js"):
        if not (out / needed).is_file():
            wrong.append(f"{needed} is missing")
    return wrong


def foreign(url: str) -> bool:
    return bool(urlsplit(url).netloc)


def dead(out: Path, path: Path, link: str, pages: dict[Path, Page]) -> str:
    """Says why a link of a page leads nowhere; empty where it leads somewhere, or to another host."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = path
    if parts.path:
        # The 404 page is shown for any address, so its links are absolute.
        base = out if parts.path.startswith("/") else path.parent
        target = (base / unquote(parts.path).lstrip("/")).resolve() if base is out else (base / unquote(parts.path)).resolve()
        if target.is_dir():
            target = target / "index.html"
        if not target.is_file():
            return f"the link {link} leads nowhere"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return f"{target.relative_to(out)} has no anchor #{parts.fragment}"
    return ""
