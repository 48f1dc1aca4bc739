"""Proves that the build of the site refuses what it must: run by `docs/build --test`."""

import shutil
import sys
import tempfile
import unittest
from pathlib import Path

import build

DOCS = Path(__file__).resolve().parent.parent

SOUND = {
    "README.md": "# Readme\n\nSee [the page](docs/page.md#a-part).\n",
    "examples/config.yaml": "model_list: []\n",
    "docs/index.md": "# Title\n\n- [Page](page.md)\n",
    "docs/page.md": (
        "# Page\n\n## A part\n\n[Up](index.md), [here](#a-part), [readme](../README.md#readme), [a file](../examples/config.yaml), "
        "[a folder](../examples).\n\n```sh\necho [no link](nowhere.md)\n```\n\n![A box](box.svg)\n"
    ),
    "docs/box.svg": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><title>A box</title></svg>',
}


class StrictBuild(unittest.TestCase):
    """Each test builds a small repository that differs from a sound one in a single thing."""

    def faults(self, **changes: str) -> str:
        """Builds the sound repository with texts added: to a file's end, or as a new file; `__` stands for `/`, `_` for `.`."""
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, text in SOUND.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, "utf-8")
            shutil.copy(DOCS / "conf.py", root / "docs" / "conf.py")
            shutil.copytree(DOCS / "site" / "static", root / "docs" / "site" / "static")
            for name, text in changes.items():
                path = root / name.replace("__", "/").replace("_", ".")
                path.write_text((path.read_text("utf-8") + "\n" if path.exists() else "") + text, "utf-8")
            wrong = build.build(root, root / "out")
            self.assertEqual((root / "out" / "index.html").exists(), not wrong, "what fails leaves a site behind")
            return "\n".join(wrong)

    def test_sound(self) -> None:
        self.assertEqual(self.faults(), "")

    def test_dead_link_to_a_page(self) -> None:
        self.assertIn(
            "docs/page.md:13: WARNING: 'myst' cross-reference target not found: 'nowhere.md'",
            self.faults(docs__page_md="[x](nowhere.md)\n"),
        )

    def test_dead_link_to_a_file_of_the_repository(self) -> None:
        self.assertIn(
            "cross-reference target not found: '../examples/nothing.yaml'", self.faults(docs__page_md="[x](../examples/nothing.yaml)\n")
        )

    def test_dead_link_of_a_page_outside_of_docs(self) -> None:
        self.assertIn("README.md:5: WARNING: 'myst' cross-reference target not found", self.faults(README_md="[x](docs/nowhere.md)\n"))

    def test_dead_anchor_of_the_same_page(self) -> None:
        self.assertIn(
            "docs/page.md:13: WARNING: 'myst' cross-reference target not found: 'b-part'", self.faults(docs__page_md="[x](#b-part)\n")
        )

    def test_dead_anchor_of_another_page(self) -> None:
        self.assertIn("local id not found in doc 'index': 'b-part'", self.faults(docs__page_md="[x](index.md#b-part)\n"))

    def test_page_that_no_index_lists(self) -> None:
        self.assertIn("docs/lost.md: WARNING: document isn't included in any toctree", self.faults(docs__lost_md="# Lost\n"))

    def test_index_that_lists_no_page(self) -> None:
        self.assertIn("toctree contains reference to nonexisting document 'lost'", self.faults(docs__index_md="- [Lost](lost.md)\n"))

    def test_picture_of_another_host(self) -> None:
        self.assertIn("comes from another host", self.faults(docs__page_md="![x](https://example.com/x.png)\n"))

    def test_picture_without_a_text(self) -> None:
        self.assertIn("has no alternative text", self.faults(docs__page_md="![](box.svg)\n"))

    def test_heading_that_skips_a_level(self) -> None:
        self.assertIn("Non-consecutive header level increase", self.faults(docs__page_md="#### Deep\n"))

    def test_dead_link_in_raw_html(self) -> None:
        self.assertIn("the link nowhere.html leads nowhere", self.faults(docs__page_md='<a href="nowhere.html">x</a>\n'))


class Site(unittest.TestCase):
    def test_pages_of_this_repository(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(build.build(DOCS.parent, Path(folder) / "out"), [])


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(failed > 0)
