"""A fake OpenAI-compatible upstream whose behaviour is written in the name of the model.

    good                    answers
    tools, reasoning, ...   answers in that form
    status-<n>              refuses with that status; status-429-after-<s> adds Retry-After
    flaky-<n>-<times>       refuses so many times, then answers
    slow-<ms>               answers after that time; slowchunk-<ms> pauses between chunks
    cut, cut-early, ...     breaks a stream or an answer in that way

Every request is kept, so that a test can compare what two proxies sent.
"""

import json
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CREATED = 1700000000
TEXT = "Hello from the upstream."
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"location": "Tokyo"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "get_weather", "arguments": '{"location": "Paris"}'}},
]
HEADERS = {
    "x-request-id": "req-upstream",
    "openai-processing-ms": "12",
    "openai-organization": "upstream-org",
    "x-ratelimit-limit-requests": "100",
    "x-ratelimit-remaining-requests": "99",
    "x-ratelimit-limit-tokens": "1000",
    "x-ratelimit-remaining-tokens": "980",
}
# What OpenAI says, by status: message, type, param, code.
ERRORS = {
    400: ("Invalid value for 'temperature'.", "invalid_request_error", "temperature", "invalid_value"),
    401: ("Incorrect API key provided: up*****key.", "invalid_request_error", None, "invalid_api_key"),
    403: ("You are not allowed to sample from this model.", "permission_error", None, "forbidden"),
    404: ("The model `gone` does not exist.", "invalid_request_error", None, "model_not_found"),
    408: ("Request timed out.", "timeout", None, None),
    409: ("Conflict.", "conflict", None, None),
    413: ("Request too large.", "invalid_request_error", None, "request_too_large"),
    422: ("Unprocessable.", "invalid_request_error", "messages", None),
    429: ("Rate limit reached for requests.", "requests", None, "rate_limit_exceeded"),
    500: ("The server had an error.", "server_error", None, None),
    502: ("Bad gateway.", "server_error", None, None),
    503: ("The engine is overloaded.", "server_error", None, "overloaded"),
    504: ("Gateway timeout.", "server_error", None, None),
    529: ("Overloaded.", "overloaded_error", None, None),
}
CONTEXT = (
    400,
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "invalid_request_error",
    "messages",
    "context_length_exceeded",
)
POLICY = (
    400,
    "Your request was rejected by our safety system.",
    "invalid_request_error",
    None,
    "content_policy_violation",
)


class Upstream:
    """A running upstream on a port of its own."""

    def __init__(self):
        self.requests = []
        self.seen = {}
        self.lock = threading.Lock()
        upstream = self

        class Handler(_Handler):
            owner = upstream

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.environment = {"FAKE_UPSTREAM": self.url}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def reset(self):
        with self.lock:
            self.requests, self.seen = [], {}

    def taken(self):
        with self.lock:
            return list(self.requests)

    def note(self, path, headers, body):
        """Keep a request; returns how many came for its model before."""
        with self.lock:
            self.requests.append({"path": path, "headers": headers, "body": body})
            model = body.get("model") if isinstance(body, dict) else None
            before = self.seen.get(model, 0)
            self.seen[model] = before + 1
            return before


class Simulator:
    """Tollgate's OCI simulator as the upstream: LiteLLM has a provider for OCI too."""

    def __init__(self, binary, folder):
        command = [binary, "sim", "--port", "0", "--dir", str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.environment = {}
        for line in self.process.stdout:
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                self.environment[name] = value
            if "OCI_ENDPOINT" in self.environment:
                break
        self.url = self.environment["OCI_ENDPOINT"]

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()

    def control(self, method, path):
        with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method), timeout=10) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def reset(self):
        self.control("DELETE", "/_sim/requests")

    def taken(self):
        """What was asked: the native body as the simulator decoded it, without what only signs it."""
        requests = self.control("GET", "/_sim/requests")["requests"]
        return [{"path": r["target"], "headers": {}, "body": json.loads(r["body"])} for r in requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.reply(
            200,
            {"object": "list", "data": [{"id": "good", "object": "model", "created": CREATED, "owned_by": "upstream"}]},
        )

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            body = json.loads(raw)
        except ValueError:
            body = raw.decode("utf-8", "replace")
        kept = {k.lower(): v for k, v in self.headers.items()}
        before = self.owner.note(self.path, kept, body)
        if not isinstance(body, dict):
            return self.refuse(400)
        try:
            self.answer(body, str(body.get("model", "")), before)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the proxy has given up

    def answer(self, body, model, before):
        words = model.split("-")
        match words[0]:
            case "status":
                after = words[3] if len(words) > 3 else None
                return self.refuse(int(words[1]), after)
            case "flaky" if before < int(words[2]):
                return self.refuse(int(words[1]))
            case "slow":
                time.sleep(int(words[1]) / 1000)
            case "context":
                return self.error(*CONTEXT)
            case "policy":
                return self.error(*POLICY)
            case "drop":
                self.close_connection = True
                return self.connection.close()
            case "html":
                return self.text(502, "<html><body>Bad gateway</body></html>", "text/html")
            case "empty":
                return self.text(200, "", "application/json")
            case "garbage":
                return self.text(200, "this is not JSON", "application/json")
            case "inside":
                return self.reply(200, {"error": {"message": "It broke inside.", "type": "server_error", "code": 500}})
            case "plain":
                return self.text(400, "no envelope at all", "text/plain")
            case "detail":
                return self.reply(
                    422, {"detail": [{"loc": ["body", "x"], "msg": "field required", "type": "value_error"}]}
                )
        path = self.path.split("?")[0]
        if path.endswith("/embeddings"):
            return self.embed(body)
        if path.endswith("/rerank"):
            return self.rerank(body)
        if path.endswith("/chat/completions"):
            return self.stream(body, words) if body.get("stream") else self.chat(body, words)
        if path.endswith("/completions"):
            return self.stream_text(body) if body.get("stream") else self.complete(body)
        return self.refuse(404)

    # --- answers ---

    def chat(self, body, words):
        message = {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []}
        finish = "stop"
        match words[0]:
            case "tools":
                message |= {"content": None, "tool_calls": CALLS}
                finish = "tool_calls"
            case "toolstop":  # calls that end with "stop", as some upstreams do
                message |= {"content": None, "tool_calls": CALLS}
            case "reasoning":
                message["reasoning_content"] = "I think."
            case "refusal":
                message |= {"content": None, "refusal": "I cannot help with that."}
            case "length":
                finish = "length"
            case "filtered":
                finish = "content_filter"
            case "odd":
                finish = "eos"
        choices = [
            {"index": i, "message": message, "logprobs": None, "finish_reason": finish}
            for i in range(body.get("n") or 1)
        ]
        reply = {
            "id": "chatcmpl-upstream",
            "object": "chat.completion",
            "created": CREATED,
            "model": "upstream-model-2026",
            "choices": choices,
            "usage": USAGE,
            "service_tier": "default",
            "system_fingerprint": "fp_1",
            "vendor_extra": {"kept": True},
        }
        if words[0] == "uncounted":
            del reply["usage"]
        if words[0] == "choiceless":
            reply["choices"] = []
        self.reply(200, reply)

    def complete(self, body):
        prompts = body.get("prompt")
        count = len(prompts) if isinstance(prompts, list) and prompts and isinstance(prompts[0], str) else 1
        choices = [{"index": i, "text": TEXT, "logprobs": None, "finish_reason": "stop"} for i in range(count)]
        self.reply(
            200,
            {
                "id": "cmpl-upstream",
                "object": "text_completion",
                "created": CREATED,
                "model": "upstream-model-2026",
                "choices": choices,
                "usage": USAGE,
            },
        )

    def embed(self, body):
        given = body.get("input")
        count = len(given) if isinstance(given, list) and given and not isinstance(given[0], int) else 1
        vector = "AACAPwAAAEAAAEBA" if body.get("encoding_format") == "base64" else [1.0, 2.0, 3.0]
        data = [{"object": "embedding", "index": i, "embedding": vector} for i in range(count)]
        self.reply(
            200,
            {
                "object": "list",
                "data": data,
                "model": "upstream-embed",
                "usage": {"prompt_tokens": 5, "total_tokens": 5},
            },
        )

    def rerank(self, body):
        documents = body.get("documents") or []
        results = [
            {
                "index": i,
                "relevance_score": 1 / (i + 1),
                "document": {"text": d if isinstance(d, str) else d.get("text")},
            }
            for i, d in enumerate(documents[: body.get("top_n") or len(documents)])
        ]
        self.reply(
            200, {"id": "rerank-upstream", "model": "upstream-rerank", "results": results, "usage": {"total_tokens": 9}}
        )

    # --- streams ---

    def stream(self, body, words):
        kind = words[0]
        if kind == "cut" and words[1:] == ["early"]:
            self.begin_stream()
            self.close_connection = True
            return self.connection.close()
        self.begin_stream()
        if kind == "silent":  # a stream without any event
            return self.end_stream(done=False)

        def chunk(delta=None, finish=None, **extra):
            choices = [
                {"index": 0, "delta": delta if delta is not None else {}, "logprobs": None, "finish_reason": finish}
            ]
            base = {
                "id": "chatcmpl-upstream",
                "object": "chat.completion.chunk",
                "created": CREATED,
                "model": "upstream-model-2026",
                "system_fingerprint": "fp_1",
                "choices": choices,
            }
            self.event(base | extra)

        pause = int(words[1]) / 1000 if kind == "slowchunk" else 0
        if kind == "early" and words[1:] == ["error"]:
            self.event(
                {"error": {"message": "Overloaded before the first token.", "type": "server_error", "code": 503}}
            )
            return self.end_stream(done=False)
        chunk({"role": "assistant", "content": ""})
        if kind in ("tools", "toolstop"):
            for index, call in enumerate(CALLS):
                opening = call | {"index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
                chunk({"tool_calls": [opening]})
                arguments = call["function"]["arguments"]
                for piece in (arguments[:7], arguments[7:]):
                    chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
            chunk(finish="tool_calls" if kind == "tools" else "stop")
            return self.finish_stream(body)
        if kind == "reasoning":
            chunk({"reasoning_content": "I "})
            chunk({"reasoning_content": "think."})
        pieces = ["Hello ", "from ", "the ", "upstream."]
        for i, piece in enumerate(pieces):
            if i == 2:
                if kind == "cut":
                    self.close_connection = True
                    return self.connection.close()
                if kind == "ended":  # a clean end of the connection in the middle of the answer
                    return self.end_stream(done=False)
                if kind == "mid":
                    self.event({"error": {"message": "It broke in the middle.", "type": "server_error", "code": 500}})
                    return self.end_stream(done=False)
                if kind == "badchunk":
                    self.raw(b"data: {not json\n\n")
                if kind == "comment":
                    self.raw(b": keep-alive\n\n")
            time.sleep(pause)
            chunk({"content": piece})
        chunk(finish={"length": "length", "odd": "eos"}.get(kind, "stop"))
        if kind == "nodone":
            return self.end_stream(done=False)
        self.finish_stream(body)

    def finish_stream(self, body):
        if (body.get("stream_options") or {}).get("include_usage"):
            self.event(
                {
                    "id": "chatcmpl-upstream",
                    "object": "chat.completion.chunk",
                    "created": CREATED,
                    "model": "upstream-model-2026",
                    "choices": [],
                    "usage": USAGE,
                }
            )
        self.end_stream()

    def stream_text(self, body):
        self.begin_stream()
        for piece, finish in (("Hello ", None), ("from the upstream.", None), ("", "stop")):
            choices = [{"index": 0, "text": piece, "logprobs": None, "finish_reason": finish}]
            self.event(
                {
                    "id": "cmpl-upstream",
                    "object": "text_completion",
                    "created": CREATED,
                    "model": "upstream-model-2026",
                    "choices": choices,
                }
            )
        if (body.get("stream_options") or {}).get("include_usage"):
            self.event(
                {
                    "id": "cmpl-upstream",
                    "object": "text_completion",
                    "created": CREATED,
                    "model": "upstream-model-2026",
                    "choices": [],
                    "usage": USAGE,
                }
            )
        self.end_stream()

    def begin_stream(self):
        self.send_response(200)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def raw(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, value):
        self.raw(b"data: " + json.dumps(value).encode() + b"\n\n")

    def end_stream(self, done=True):
        if done:
            self.raw(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    # --- plain replies ---

    def refuse(self, status, after=None):
        message, kind, param, code = ERRORS[status]
        self.error(status, message, kind, param, code, after)

    def error(self, status, message, kind, param, code, after=None):
        extra = {"retry-after": after} if after else {}
        self.reply(status, {"error": {"message": message, "type": kind, "param": param, "code": code}}, extra)

    def reply(self, status, value, extra=None):
        self.text(status, json.dumps(value), "application/json", extra)

    def text(self, status, text, kind, extra=None):
        data = text.encode()
        self.send_response(status)
        for name, value in {**HEADERS, **(extra or {})}.items():
            self.send_header(name, value)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
