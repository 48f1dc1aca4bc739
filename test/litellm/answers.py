"""Makes two answers comparable, and finds where they differ."""

import http.client
import json
import re
import time

ABSENT = "(absent)"
# What differs between any two HTTP servers and tells nothing.
IGNORED_HEADERS = {"date", "server", "content-length", "transfer-encoding", "connection", "keep-alive"}


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


# What stands around an error's text. It is compared apart from the text itself.
NOTES = [
    re.compile(r"\n\nLiteLLM: model group '.*", re.DOTALL),
    re.compile(r"\. Received Model Group=[^\n]*\nAvailable Model Group Fallbacks=.*", re.DOTALL),
]


CLASS = re.compile(r"^((litellm\.)?\w+: )+\w+Exception - ")


def split_message(error):
    """An error with the classes in front of its text and the note behind it apart, in place."""
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return
    for note in NOTES:
        found = note.search(error["message"])
        if found:
            error["message (router's note)"] = found.group()
            error["message"] = error["message"][: found.start()]
    found = CLASS.match(error["message"])
    if found:
        error["message (class)"] = found.group()
        error["message"] = error["message"][found.end() :]


VOLATILE = [
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:(port)"),
    (re.compile(r"\b(chatcmpl|cmpl|rerank)-([a-z0-9]{26}|[A-Z2-7]{26}|[0-9a-f-]{36})\b"), r"\1-(id)"),
    (re.compile(r"\bcall_[0-9a-f]{24}\b"), "call_(id)"),
    (re.compile(r"\bocid1\.compartment\.[\w.]+"), "(compartment)"),
    (re.compile(r"\b[0-9A-F]{32}(/[0-9A-F]{32})+"), "(opc-request-id)"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "(uuid)"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "(sha256)"),
]
NUMBER = re.compile(r"^-?\d+(\.\d+)?(e-?\d+)?$")


def settled(value, name=""):
    """A value without what is different in every run; arguments of tool calls without their spacing."""
    if isinstance(value, dict):
        return {k: settled(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [settled(v, name) for v in value]
    if isinstance(value, str):
        if name == "arguments" and isinstance(parsed(value.encode()), dict):
            value = json.dumps(parsed(value.encode()), sort_keys=True)
        for pattern, instead in VOLATILE:
            value = pattern.sub(instead, value)
    if name == "created" and isinstance(value, int) and abs(value - time.time()) < 3600:
        return "(now)"
    return value


def reply_headers(reply):
    headers = {}
    for name, value in reply.getheaders():
        name = name.lower()
        if name in IGNORED_HEADERS or name.removeprefix("llm_provider-") in IGNORED_HEADERS:
            continue
        if name.endswith("-ms") and not name.startswith("llm_provider-") and NUMBER.match(value):
            value = "(milliseconds)"
        if name.startswith(("x-litellm-response-cost", "x-litellm-key-spend")) and NUMBER.match(value):
            value = f"{float(value):.10g}"  # LiteLLM's sums are off in the sixteenth digit
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
    out = {
        "done": done,
        "done is last": last,
        "comments": comments,
        "text": "",
        "reasoning": "",
        "finish": [],
        "roles": [],
        "tool_calls": {},
        "usage": [],
        "errors": [],
    }
    forms = {}
    for chunk in chunks:
        if not isinstance(chunk, dict) or "(text)" in chunk:
            out.setdefault("unreadable", []).append(chunk)
            continue
        if "error" in chunk:
            split_message(chunk["error"])
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
        kept = out["tool_calls"].setdefault(
            str(call.get("index")), {"ids": [], "names": [], "arguments": "", "types": []}
        )
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
    if x != y or isinstance(x, bool) != isinstance(y, bool):
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
