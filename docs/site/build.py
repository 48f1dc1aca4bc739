"""Builds the site: stages the tree, runs Sphinx strictly over it, checks what came out."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import check
import stage


def build(root: Path, out: Path) -> list[str]:
    """Builds the pages of the repository at root into out, and returns what is wrong with them; then out is not touched."""
    with tempfile.TemporaryDirectory(prefix="tollgate-docs-") as folder:
        work = Path(folder).resolve()
        tree, html = work / "docs", work / "html"
        stage.Stage(root.resolve(), tree).run()
        sphinx = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-n", "-W", "--keep-going", "-d", work / "doctrees", tree, html]
        done = subprocess.run(sphinx, stderr=subprocess.PIPE, text=True, check=False)
        # Messages name the pages as the repository does.
        told = done.stderr.replace(f"{tree}/repository/", "").replace(f"{work}/", "")
        wrong = [line for line in told.splitlines() if line.strip()]
        if done.returncode and not wrong:
            wrong = [f"Sphinx ended with status {done.returncode}"]
        wrong = wrong or check.site(html)
        if not wrong:
            shutil.rmtree(out, ignore_errors=True)
            shutil.move(html, out)
    return wrong


def main() -> None:
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.parent.mkdir(parents=True, exist_ok=True)
    wrong = build(root, out)
    if wrong:
        sys.exit("\n".join(wrong) + "\nthe site is not built")
    print(f"the site is in {out}: {len(list(out.rglob('*.html')))} pages")


if __name__ == "__main__":
    main()
