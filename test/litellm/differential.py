"""Asks the real LiteLLM proxy and Tollgate the same requests, in front of the same fake upstream, and compares.

Each difference must stand in differences.yaml with its reason; one that does not fails the run, and so does an entry
that explains nothing any more.
"""

import argparse
import fnmatch
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import yaml

from cases import CASES
from upstream import Upstream

HERE = pathlib.Path(__file__).resolve().parent
MASTER = "sk-differential-master"
ABSENT = "(absent)"
# What differs between any two HTTP servers and tells nothing.
IGNORED_HEADERS = {"date", "server", "content-length", "transfer-encoding", "connection", "keep-alive"}


# --- the two proxies --------------------------------------------------------------------------------------------------


class Proxy:
    """One running proxy with an upstream of its own."""

    def __init__(self, name, command, config, folder):
        self.name = name
        self.upstream = Upstream()
        self.port = free_port()
        self.log = folder / f"{name}-{config.stem}.log"
        home = folder / name
        home.mkdir(exist_ok=True)
        environment = {
            "PATH": f"{pathlib.Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(home),
            "FAKE_UPSTREAM": self.upstream.url,
            "LITELLM_MASTER_KEY": MASTER,
            # LiteLLM must read what it needs from its own package, and reach nothing but this machine.
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOCAL_BLOG_POSTS": "True",
            "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        arguments = [a.format(config=config, port=self.port) for a in command]
        self.process = subprocess.Popen(arguments, stdout=self.log.open("wb"), stderr=subprocess.STDOUT, env=environment, cwd=home)

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/health/liveness")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.2)
        sys.exit(f"{self.name} did not start:\n{self.log.read_text()[-4000:]}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def run(self, case):
        """The answers to a case's requests, and what the upstream was sent."""
        self.upstream.reset()
        answers = []
        for i, request in enumerate(case.requests):
            if i:
                time.sleep(case.wait)
            answers.append(self.ask(request))
        taken = [{"path": r["path"], "headers": sent_headers(r["headers"]), "body": r["body"]} for r in self.upstream.taken()]
        return {"answers": answers, "upstream": {"count": len(taken), "requests": taken}}

    def ask(self, request):
        headers = dict(request.headers)
        if request.key is not None:
            headers.setdefault("Authorization", "Bearer " + (MASTER if request.key == "master" else request.key))
        body = None
        if request.body is not None:
            body = request.body if isinstance(request.body, bytes) else json.dumps(request.body).encode()
            headers.setdefault("Content-Type", "application/json")
        if headers.get("Content-Type") == "":
            del headers["Content-Type"]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(request.method, request.path, body, headers)
            reply = connection.getresponse()
            text, complete = read_all(reply)
        except (OSError, http.client.HTTPException) as error:
            return {"status": 0, "broken": type(error).__name__}
        finally:
            connection.close()
        kind = (reply.getheader("content-type") or "").split(";")[0]
        answer = {"status": reply.status, "complete": complete, "headers": reply_headers(reply)}
        if kind == "text/event-stream":
            answer["stream"] = read_stream(text)
        else:
            answer["body"] = split_notes(settled(parsed(text)))
        return answer


def free_port():
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def read_all(reply):
    try:
        return reply.read(), True
    except http.client.IncompleteRead as cut:
        return cut.partial, False


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return {"(text)": text.decode("utf-8", "replace")}


# What routers append to an error's text. It is compared apart from the text itself.
NOTES = [
    re.compile(r"\n\nLiteLLM: model group '.*", re.S),
    re.compile(r"\. Received Model Group=[^\n]*\nAvailable Model Group Fallbacks=.*", re.S),
]


def split_notes(body):
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        for note in NOTES:
            found = note.search(error["message"])
            if found:
                error["message (router's note)"] = found.group()
                error["message"] = error["message"][: found.start()]
    return body


# --- making answers comparable ------------------------------------------------------------------------------------------

VOLATILE = [
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:(port)"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "(uuid)"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "(sha256)"),
]
NUMBER = re.compile(r"^-?\d+(\.\d+)?(e-?\d+)?$")


def settled(value):
    """A value without what is different in every run."""
    if isinstance(value, dict):
        return {k: settled(v) for k, v in value.items()}
    if isinstance(value, list):
        return [settled(v) for v in value]
    if isinstance(value, str):
        for pattern, instead in VOLATILE:
            value = pattern.sub(instead, value)
    return value


def reply_headers(reply):
    headers = {}
    for name, value in reply.getheaders():
        name = name.lower()
        if name in IGNORED_HEADERS or name.removeprefix("llm_provider-") in IGNORED_HEADERS:
            continue
        if name.endswith("-ms") and not name.startswith("llm_provider-") and NUMBER.match(value):
            value = "(milliseconds)"
        headers[name] = settled(value)
    return headers


def sent_headers(headers):
    """What a proxy told the upstream, without what any HTTP client adds."""
    dull = {"host", "content-length", "connection", "accept", "accept-encoding", "user-agent", "content-type"}
    return {k: settled(v) for k, v in headers.items() if k not in dull}


def read_stream(text):
    """A stream as what its reader sees: the events put together, and the form of the chunks."""
    events, comments = [], 0
    for block in re.split(rb"\r?\n\r?\n", text):
        for line in block.splitlines():
            if line.startswith(b":"):
                comments += 1
            elif line.startswith(b"data:"):
                events.append(line[5:].strip().decode("utf-8", "replace"))
            elif line.startswith(b"event:"):
                events.append("(" + line.decode() + ")")
    done = events.count("[DONE]")
    last = events[-1] == "[DONE]" if events else False
    chunks = [parsed(e.encode()) for e in events if e != "[DONE]"]
    out = {"done": done, "done is last": last, "comments": comments, "text": "", "reasoning": "", "finish": [], "roles": [], "tool_calls": {}, "usage": [], "errors": []}
    forms = {}
    for chunk in chunks:
        if not isinstance(chunk, dict) or "(text)" in chunk:
            out.setdefault("unreadable", []).append(chunk)
            continue
        if "error" in chunk:
            out["errors"].append(chunk["error"])
            continue
        for name in ("id", "object", "created", "model", "system_fingerprint"):
            seen = out.setdefault(name, [])
            if chunk.get(name) not in seen:
                seen.append(chunk.get(name))
        if chunk.get("usage"):
            out["usage"].append(chunk["usage"])
            forms["usage chunk"] = chunk | {"usage": "(usage)"}
            if not any(c.get("delta") or c.get("text") or c.get("finish_reason") for c in chunk.get("choices", [])):
                continue
        for choice in chunk.get("choices", []):
            read_choice(out, forms, chunk, choice)
    out["forms"] = {k: shape(v) for k, v in forms.items()}
    return settled(out)


def read_choice(out, forms, chunk, choice):
    delta = choice.get("delta") or {}
    out["text"] += (delta.get("content") or "") + (choice.get("text") or "")
    out["reasoning"] += delta.get("reasoning_content") or ""
    if delta.get("role"):
        out["roles"].append(delta["role"])
    if choice.get("finish_reason"):
        out["finish"].append(choice["finish_reason"])
        forms["finish chunk"] = chunk
    elif delta.get("tool_calls"):
        opening = any((c.get("function") or {}).get("name") for c in delta["tool_calls"])
        forms.setdefault("opening tool chunk" if opening else "tool chunk", chunk)
    elif delta.get("content") or choice.get("text"):
        forms.setdefault("text chunk" if forms.get("first chunk") or forms.get("text chunk") else "first chunk", chunk)
    for call in delta.get("tool_calls") or []:
        kept = out["tool_calls"].setdefault(str(call.get("index")), {"ids": [], "names": [], "arguments": "", "types": []})
        function = call.get("function") or {}
        for name, value in (("ids", call.get("id")), ("names", function.get("name")), ("types", call.get("type"))):
            if value:
                kept[name].append(value)
        kept["arguments"] += function.get("arguments") or ""


def shape(value):
    """A chunk with its values replaced by their types, null kept apart."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(v) for v in value]
    return type(value).__name__ if value is not None else "null"


def by_key(values):
    """A list of models as an object by their names, so that one more or less does not shift all the others."""
    if not all(isinstance(v, dict) for v in values):
        return None
    for name in ("model_id", "model_group", "model_name", "id"):
        names = [v.get(name) for v in values]
        if values and len(names) == len(set(map(str, names))) and all(isinstance(n, str) for n in names):
            return dict(zip(names, values, strict=True))
    return None


def leaves(x, y, where):
    """(path, one value, the other) of whatever differs; what only one side has is one difference as a whole."""
    if isinstance(x, dict) and isinstance(y, dict):
        for k in sorted(set(x) | set(y)):
            yield from leaves(x.get(k, ABSENT), y.get(k, ABSENT), f"{where}.{k}")
        return
    if isinstance(x, list) and isinstance(y, list):
        a, b = by_key(x), by_key(y)
        if a is not None and b is not None:
            for k in sorted(set(a) | set(b)):
                yield from leaves(a.get(k, ABSENT), b.get(k, ABSENT), f"{where}[{k}]")
            return
    if isinstance(x, list) and isinstance(y, list) and len(x) == len(y) and any(isinstance(v, dict) for v in x):
        for i, (v, w) in enumerate(zip(x, y, strict=True)):
            yield from leaves(v, w, f"{where}[{i}]")
        return
    if x != y or type(x) is not type(y):
        yield where, x, y


def differences(theirs, ours):
    """(path, LiteLLM's value, ours) of every leaf that differs. Answers of different statuses, and upstreams that got
    different numbers of requests, are one difference each: their contents have nothing to do with each other."""
    for i, (x, y) in enumerate(zip(theirs["answers"], ours["answers"], strict=True)):
        where = f"answers[{i}]"
        if x["status"] != y["status"] or ("stream" in x) != ("stream" in y):
            yield f"{where}.status", x["status"], y["status"]
            continue
        yield from leaves(x, y, where)
    x, y = theirs["upstream"], ours["upstream"]
    if x["count"] != y["count"]:
        yield "upstream.count", x["count"], y["count"]
        return
    yield from leaves(x["requests"], y["requests"], "upstream")


# --- the table ----------------------------------------------------------------------------------------------------------


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
            unknown = set(e) - {"what", "kind", "outcome", "cases", "paths", "litellm", "tollgate", "reason"}
            if unknown or not all(e.get(k) for k in ("what", "paths", "reason")) or e.get("kind") not in KINDS:
                sys.exit(f"differences.yaml: an entry needs what, kind, paths and a reason, and knows no {sorted(unknown)}: {e}")

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
        return [e for e, n in zip(self.entries, self.used, strict=True) if not n]


def matches(text, pattern):
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def fits(value, pattern):
    return pattern is None or re.search(pattern, value if isinstance(value, str) else json.dumps(value)) is not None


# --- the run ------------------------------------------------------------------------------------------------------------


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--tollgate", required=True, help="the binary")
    options.add_argument("--only", default="*", help="pattern of case names")
    options.add_argument("--show", action="store_true", help="print the known differences too")
    options.add_argument("--dump", help="write all answers to this JSON file")
    given = options.parse_args()
    table = Table(HERE / "differences.yaml")
    litellm = pathlib.Path(sys.executable).parent / "litellm"
    commands = {
        "litellm": [str(litellm), "--config", "{config}", "--host", "127.0.0.1", "--port", "{port}", "--telemetry", "False"],
        "tollgate": [given.tollgate, "serve", "--config", "{config}", "--host", "127.0.0.1", "--port", "{port}"],
    }
    chosen = [c for c in CASES if fnmatch.fnmatchcase(c.name, given.only)]
    known = unknown = same = 0
    bad = []
    everything = {}
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tollgate-differential-"))
    for config in dict.fromkeys(c.config for c in chosen):
        print(f"starting both proxies with {config}.yaml", flush=True)
        proxies = [Proxy(name, command, HERE / "configs" / f"{config}.yaml", folder) for name, command in commands.items()]
        try:
            for p in proxies:
                p.wait(120)
            for case in (c for c in chosen if c.config == config):
                with ThreadPoolExecutor(2) as pool:
                    theirs, ours = pool.map(lambda p: p.run(case), proxies)
                clean = True
                everything[case.name] = {"litellm": theirs, "tollgate": ours}
                for path, x, y in differences(theirs, ours):
                    if table.explains(case.name, path, x, y, outcome(ours, path)):
                        known += 1
                        if given.show:
                            report(case.name, path, x, y, "known")
                        continue
                    unknown += 1
                    clean = False
                    report(case.name, path, x, y, "NOT EXPLAINED")
                same += clean
                if not clean:
                    bad.append(case.name)
        finally:
            for p in proxies:
                p.stop()
    if given.dump:
        pathlib.Path(given.dump).write_text(json.dumps(everything, indent=1))
    stale = table.unused() if given.only == "*" else []
    for e in stale:
        print(f"explains nothing any more: {e}")
    print(f"differential: {len(chosen)} cases, {same} as explained, {len(bad)} not; {known} known differences, {unknown} unexplained, {len(stale)} stale entries")
    if bad or stale:
        print(f"logs: {folder}")
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
