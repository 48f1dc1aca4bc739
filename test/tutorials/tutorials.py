"""Runs Locus's tutorials against the gateway of the environment and holds what they print against expected.yaml.

A tutorial passes when it ends with 0, prints what expected.yaml says that it shows, and prints no sign of a swallowed
failure beside those that it makes on purpose. What needs more than a gateway is run too, and must say so.
"""

import argparse
import concurrent.futures
import contextlib
import fnmatch
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "reference" / "locus-tutorials.md"
LOGS = ROOT / "build" / "tutorials"

SECONDS = 180
BLOCKS = 8192  # of 512 bytes: the most that a file of a tutorial may hold, what it prints included

# What a tutorial prints when it caught a failure and went on, or when it took another path than the model's.
TROUBLE = re.compile(
    r"Traceback|Error\b|\bERR\b|\[error\]|ERROR|Exception|[Ff]ailed|[Ff]ailure|[Ss]kipp|[Mm]ock|fallback"
    r"|not (?:available|installed|set)\b|[Ss]uccess(?:: |=| *= )False|tool_loop|max_iterations\b"
)


@dataclass(frozen=True)
class Tutorial:
    """A tutorial and what is expected of it."""

    name: str
    shows: tuple[str, ...] = ()
    allows: tuple[str, ...] = ()  # lines that look like trouble and are part of the lesson
    needs: str = ""  # what it needs beside the gateway
    repair: bool = False
    note: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a run of a tutorial gave; wrong is empty where that was expected."""

    tutorial: Tutorial
    wrong: str = ""


def expectations() -> dict[str, Tutorial]:
    listed = yaml.safe_load((HERE / "expected.yaml").read_text())
    return {
        name: Tutorial(
            name,
            tuple(fields.get("shows", ())),
            tuple(fields.get("allows", ())),
            fields.get("needs", ""),
            fields.get("repair", False),
            fields.get("note", ""),
        )
        for name, fields in listed.items()
    }


def name_embeddings(url: str, key: str) -> None:
    """Give the sample's embedding alias the name that the retrieval tutorials have built in."""
    body = {"router_settings": {"model_group_alias": {"text-embedding-3-small": "oci-cohere-embed"}}}
    headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
    request = urllib.request.Request(url + "/config/update", data=json.dumps(body).encode(), headers=headers)
    urllib.request.urlopen(request, timeout=15).close()


def run(tutorial: Tutorial, examples: pathlib.Path, environment: dict[str, str]) -> Outcome:
    """Run one tutorial in a process, a folder and a home of its own."""
    log = LOGS / f"{tutorial.name}.log"
    with tempfile.TemporaryDirectory() as home:
        folder = pathlib.Path(home) / "examples"
        shutil.copytree(examples, folder)
        if tutorial.repair:
            repair(folder / f"{tutorial.name}.py")
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["sh", "-c", f'ulimit -f {BLOCKS} && exec "$@"', "sh", sys.executable, tutorial.name + ".py"],
                cwd=folder,
                env={**environment, "HOME": home},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                return Outcome(tutorial, f"did not end within {SECONDS} s")
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # servers that it has started and left
                process.wait()
    return Outcome(tutorial, judge(tutorial, code, log.read_text(errors="replace")))


def repair(program: pathlib.Path) -> None:
    """Give a program that was published as one long comment, its line breaks written as \\n, its lines back."""
    lines = program.read_text().split("\n")
    for i, line in enumerate(lines):
        if re.match(r"\s*#.*\\n {4}", line):
            # The same two characters inside the program's own strings stay: no code follows them.
            lines[i] = re.sub(r"\\n(?=\\n| {4}|if __name__|$)", "\n", line)
    program.write_text("\n".join(lines))


def judge(tutorial: Tutorial, code: int, text: str) -> str:
    """What is wrong with a run, empty when nothing is."""
    missing = [pattern for pattern in tutorial.shows if not re.search(pattern, text, re.MULTILINE)]
    if missing:
        return f"ended with {code} and did not show {missing[0]!r}"
    if tutorial.needs:
        return ""
    if code != 0:
        return f"ended with {code}"
    if not tutorial.shows:
        return "expected.yaml does not say what it shows"
    for line in text.splitlines():
        if TROUBLE.search(line) and not any(re.search(allowed, line) for allowed in tutorial.allows):
            return f"says {line.strip()[:120]!r}"
    return ""


def table(tutorials: list[Tutorial]) -> str:
    lines = ["| Tutorial | Result | Notes |", "| --- | --- | --- |"]
    for t in tutorials:
        title = t.name.removeprefix("tutorial_").replace("_", " ")
        result, notes = ("needs " + t.needs, t.note) if t.needs else ("passes", t.note)
        lines.append(f"| {title} | {result} | {notes} |")
    return "\n".join(lines) + "\n"


def write_page(text: str) -> None:
    """Replace the table of the documentation's page."""
    begin, end = "<!-- table: test/tutorials/run --write -->\n", "<!-- end of the table -->\n"
    page = PAGE.read_text()
    head, rest = page.split(begin)
    PAGE.write_text(head + begin + "\n" + text + "\n" + end + rest.split(end)[1])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--only", default="*", help="pattern of tutorials' names, as in *graph*")
    parser.add_argument("--write", action="store_true", help="write the table of docs/reference/locus-tutorials.md")
    options = parser.parse_args()
    if options.write and options.only != "*":
        parser.error("--write writes the whole table: it goes without --only")

    url, key = os.environ["LITELLM_GATEWAY_URL"], os.environ["LITELLM_GATEWAY_KEY"]
    environment = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "NO_PROXY": "127.0.0.1,localhost",
        "LOCUS_MODEL_PROVIDER": "openai",
        "LOCUS_MODEL_ID": os.environ.get("LITELLM_GATEWAY_MODEL") or "oci-cohere-command",
        "OPENAI_BASE_URL": url,
        "OPENAI_API_KEY": key,
    }
    name_embeddings(url, key)
    LOGS.mkdir(parents=True, exist_ok=True)
    expected = expectations()
    found = sorted(p.stem for p in (options.directory / "examples").glob("tutorial_*.py"))
    chosen = [expected.get(n, Tutorial(n)) for n in found if fnmatch.fnmatch(n, options.only)]

    if not chosen:
        parser.error(f"no tutorial of {options.directory} matches {options.only}")

    failed = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for outcome in pool.map(lambda t: run(t, options.directory / "examples", environment), chosen):
            t = outcome.tutorial
            failed += bool(outcome.wrong)
            skipped += bool(t.needs) and not outcome.wrong
            verdict = f"FAIL: {outcome.wrong}" if outcome.wrong else f"needs {t.needs}" if t.needs else "passes"
            print(f"{t.name:45} {verdict}", flush=True)
    if options.write and not failed:
        write_page(table(chosen))
    print(f"\nwhat they printed: {LOGS.relative_to(ROOT)}/")
    print(f"{len(chosen) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
