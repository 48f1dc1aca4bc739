"""Makes the tree that Sphinx reads out of the repository.

The pages are plain Markdown that forges render as it is; what a site needs beyond that is added here, to copies:

- A page of docs/ keeps its place. What a page links to outside of docs/ comes along below repository/: Markdown as a
  page, other texts as a page that shows them, a folder as its README or as the list of its files.
- Links are rewritten to these places. A link that leads nowhere stays as it is, so that Sphinx refuses it.
- Each index.md gets a table of contents of what its lists link to. So a page that no index lists is in no table of
  contents, which Sphinx refuses too.
"""

import posixpath
import re
import shutil
from pathlib import Path, PurePosixPath

# What is left as it is: fenced blocks and code within a line. The first group of the others is the link's target.
MARKUP = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)[ \t]*$|`+[^`\n]+`+|\]\((?P<target>[^()\s]+)\)", re.MULTILINE | re.DOTALL)
LISTED = re.compile(r"^[-*] +\[[^\]]+\]\((?P<target>[^()\s#]+)\.md\)", re.MULTILINE)
LANGUAGES = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".py": "python", ".go": "go", ".sh": "bash", ".sql": "sql"}
# Folders that tools leave beside the files of the repository.
LEFT_OUT = {"__pycache__", "node_modules", ".venv"}
# Texts that are longer than this are named, not shown.
MOST_SHOWN = 200_000


class Stage:
    """One run: what is in the repository at root becomes the tree at target."""

    def __init__(self, root: Path, target: Path):
        self.root, self.target = root, target
        self.waiting: list[PurePosixPath] = []  # files of the repository that are still to come along
        self.placed: dict[PurePosixPath, PurePosixPath] = {}  # file of the repository -> page or file of the tree

    def run(self) -> None:
        """Copies docs/ and whatever its pages lead to."""
        for path in sorted((self.root / "docs").rglob("*")):
            name = PurePosixPath(path.relative_to(self.root).as_posix())
            if path.is_file() and name.parts[1] not in {"site", "build", "conf.py", "requirements.txt"} and "__pycache__" not in name.parts:
                self.place(name)
        self.target.mkdir(parents=True)
        shutil.copy(self.root / "docs" / "conf.py", self.target / "conf.py")
        shutil.copytree(self.root / "docs" / "site" / "static", self.target / "static")
        while self.waiting:
            self.bring(self.waiting.pop(0))
        self.write_repository_index()

    def place(self, name: PurePosixPath) -> PurePosixPath:
        """Says where a file of the repository is in the tree, and sees to it that it will be there."""
        if name in self.placed:
            return self.placed[name]
        if name.parts[0] == "docs":
            place = PurePosixPath(*name.parts[1:])
        elif name.suffix == ".md":
            place = "repository" / name
        else:
            place = PurePosixPath("repository", f"{name}.md")
        self.placed[name] = place
        self.waiting.append(name)
        return place

    def bring(self, name: PurePosixPath) -> None:
        """Writes one file of the repository to its place."""
        source, target = self.root / name, self.target / self.placed[name]
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.suffix == ".md":
            target.write_text(self.page(name, source.read_text("utf-8")), "utf-8")
        elif name.parts[0] == "docs":
            shutil.copy(source, target)
        elif source.is_dir():
            target.write_text(self.listing(name), "utf-8")
        else:
            target.write_text(shown(name, source), "utf-8")

    def page(self, name: PurePosixPath, text: str) -> str:
        """Rewrites a page's links and, in an index, adds the table of contents."""
        contents = [m["target"] for m in LISTED.finditer(text)] if name.name == "index.md" else []
        here = self.placed[name].parent
        if name == PurePosixPath("docs/index.md"):
            contents.append("repository/index")

        def rewritten(match: re.Match[str]) -> str:
            if match["target"] is None:
                return match[0]
            path, mark, fragment = match["target"].partition("#")
            there = self.destination(name, path)
            if there is None:
                return match[0]
            return f"]({posixpath.relpath(there, here)}{mark}{fragment})"

        text = MARKUP.sub(rewritten, text)
        if contents:
            text += "\n```{toctree}\n:hidden:\n\n" + "\n".join(contents) + "\n```\n"
        return text

    def destination(self, name: PurePosixPath, path: str) -> PurePosixPath | None:
        """Finds where in the tree a link of a page leads; None where it is not a file of the repository."""
        if not path or ":" in path or path.startswith("/"):
            return None
        there = PurePosixPath(posixpath.normpath(posixpath.join(name.parent, path)))
        if there.parts[0] == ".." or not (self.root / there).exists():
            return None
        if (self.root / there).is_dir():
            for page in ("index.md", "README.md"):
                if (self.root / there / page).is_file():
                    return self.place(there / page)
        return self.place(there)

    def listing(self, name: PurePosixPath) -> str:
        """Makes the page of a folder that has no README: the names of its files."""
        folder = self.root / name
        files = [PurePosixPath(path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*")) if path.is_file()]
        lines = [f"# {name}/", "", f"The files of `{name}` in the repository:", ""]
        lines += [f"- `{file}`" for file in files if not LEFT_OUT.intersection(file.parts)]
        return "\n".join(lines) + "\n"

    def write_repository_index(self) -> None:
        """Lists what came along from outside of docs/."""
        outside = sorted((place, name) for name, place in self.placed.items() if name.parts[0] != "docs")
        lines = ["# In the repository", "", "Files beside these pages, as they are in the version that the pages describe.", ""]
        lines += [f"- [{name}]({posixpath.relpath(place, 'repository')})" for place, name in outside]
        lines += ["", "```{toctree}", ":hidden:", ""]
        lines += [posixpath.relpath(place.with_suffix(""), "repository") for place, _ in outside]
        lines.append("```")
        page = self.target / "repository" / "index.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text("\n".join(lines) + "\n", "utf-8")


def shown(name: PurePosixPath, source: Path) -> str:
    """Makes the page that shows a text file."""
    head = f"# {name}\n\n"
    try:
        text = source.read_text("utf-8")
    except UnicodeDecodeError:
        return head + "A binary file.\n"
    if len(text) > MOST_SHOWN:
        return head + f"A file of {len(text)} characters.\n"
    # A template is not in the language that its name says.
    language = "text" if "{{" in text else LANGUAGES.get(name.suffix, "text")
    fence = max((len(m[0]) + 1 for m in re.finditer("`{3,}", text)), default=3) * "`"
    return f"{head}{fence}{language}\n{text.rstrip()}\n{fence}\n"
