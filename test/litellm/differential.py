"""Asks the real LiteLLM proxy and Tollgate the same requests, in front of the same upstream, and compares.

Each difference must stand in differences.yaml with its reason; one that does not fails the run, and so does an entry
that explains nothing any more.
"""

import argparse
import fnmatch
import json
import pathlib
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import yaml

from answers import differences
from cases import CASES
from proxies import Proxy
from upstream import Simulator, Upstream

HERE = pathlib.Path(__file__).resolve().parent

KINDS = {
    "purpose": "Otherwise on purpose",
    "gap": "Where LiteLLM's answer is the better one",
    "scope": "What LiteLLM has and Tollgate does not",
    "form": "The same in another form",
}


class Table:
    """The known differences. An entry names cases and paths by patterns, and may pin the two values by regexes."""

    def __init__(self, file):
        self.entries = yaml.safe_load(file.read_text())["differences"]
        self.used = [0] * len(self.entries)
        for e in self.entries:
            unknown = set(e) - {"what", "kind", "outcome", "cases", "paths", "litellm", "tollgate", "reason", "chance"}
            if unknown or not all(e.get(k) for k in ("what", "paths", "reason")) or e.get("kind") not in KINDS:
                sys.exit(
                    f"differences.yaml: an entry needs what, kind, paths and a reason, and knows no {sorted(unknown)}: {e}"
                )

    def explains(self, case, path, theirs, ours, outcome):
        """outcome is "success" or "error", by the status of the answer that the path is in."""
        found = False
        for i, e in enumerate(self.entries):
            if (
                e.get("outcome", outcome) == outcome
                and any(matches(case, p) for p in e.get("cases", ["*"]))
                and any(matches(path, p) for p in e["paths"])
                and fits(theirs, e.get("litellm"))
                and fits(ours, e.get("tollgate"))
            ):
                self.used[i] += 1
                found = True
        return found

    def unused(self):
        return [e for e, n in zip(self.entries, self.used, strict=True) if not n and not e.get("chance")]


def matches(text, pattern):
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def fits(value, pattern):
    return pattern is None or re.search(pattern, value if isinstance(value, str) else json.dumps(value)) is not None


class Run:
    """One comparison of the chosen cases, with what came of it."""

    def __init__(self, options, table, folder):
        self.options = options
        self.table = table
        self.folder = folder
        self.cases = [c for c in CASES if fnmatch.fnmatchcase(c.name, options.only)]
        self.known = self.unknown = 0
        self.bad = []
        self.everything = {}

    def all(self):
        for config in dict.fromkeys(c.config for c in self.cases):
            print(f"starting both proxies with {config}.yaml", flush=True)
            proxies = self.start(config)
            try:
                for p in proxies:
                    p.wait()
                for case in (c for c in self.cases if c.config == config):
                    self.one(case, proxies)
                if not proxies[1].alive():
                    self.bad.append("tollgate ended")
            finally:
                for p in proxies:
                    p.stop()

    def start(self, config):
        """LiteLLM and Tollgate, in this order."""
        file = HERE / "configs" / f"{config}.yaml"
        binary = self.options.tollgate
        proxies = []
        commands = {
            "litellm": [pathlib.Path(sys.executable).parent / "litellm", "--telemetry", "False"],
            "tollgate": [binary, "serve", "--no-database"],
        }
        for name, command in commands.items():
            upstream = Simulator(binary, self.folder / f"sim-{name}") if config == "oci" else Upstream()
            proxies.append(Proxy(name, command, file, self.folder, upstream))
        return proxies

    def one(self, case, proxies):
        with ThreadPoolExecutor(2) as pool:
            theirs, ours = pool.map(Proxy.run, proxies, [case] * 2)
        self.everything[case.name] = {"litellm": theirs, "tollgate": ours}
        before = self.unknown
        for path, x, y in differences(theirs, ours):
            if self.table.explains(case.name, path, x, y, outcome(ours, path)):
                self.known += 1
                if self.options.show:
                    report(case.name, path, x, y, "known")
                continue
            self.unknown += 1
            report(case.name, path, x, y, "NOT EXPLAINED")
        if self.unknown > before:
            self.bad.append(case.name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tollgate", required=True, help="the binary")
    parser.add_argument("--only", default="*", help="pattern of case names")
    parser.add_argument("--show", action="store_true", help="print the known differences too")
    parser.add_argument("--dump", help="write all answers to this JSON file")
    options = parser.parse_args()
    table = Table(HERE / "differences.yaml")
    run = Run(options, table, pathlib.Path(tempfile.mkdtemp(prefix="tollgate-differential-")))
    run.all()
    if options.dump:
        pathlib.Path(options.dump).write_text(json.dumps(run.everything, indent=1))
    stale = table.unused() if options.only == "*" else []
    for e in stale:
        print(f"explains nothing any more: {e}")
    print(
        f"differential: {len(run.cases)} cases, {len(run.bad)} failed; "
        f"{run.known} known differences, {run.unknown} unexplained, {len(stale)} stale entries"
    )
    if run.bad or stale:
        print(f"logs: {run.folder}")
        sys.exit(1)


def outcome(run, path):
    found = re.match(r"answers\[(\d+)\]", path)
    answers = run["answers"] if not found else [run["answers"][int(found[1])]]
    return "error" if any(a["status"] >= 400 or a["status"] == 0 for a in answers) else "success"


def report(case, path, theirs, ours, verdict):
    print(f"{verdict}: {case}: {path}\n    litellm:  {short(theirs)}\n    tollgate: {short(ours)}", flush=True)


def short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 600 else text[:600] + " ..."


if __name__ == "__main__":
    main()
