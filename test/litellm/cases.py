"""The requests that both proxies are asked. A case is one request, or several in a row (`then`)."""

from dataclasses import dataclass, field

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather at a location",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    },
}


@dataclass
class Request:
    method: str
    path: str
    body: object = None  # bytes go as they are, everything else as JSON
    headers: dict = field(default_factory=dict)
    key: str | None = "master"  # "master" stands for the master key, None sends none


@dataclass
class Case:
    name: str
    requests: list
    config: str = "main"
    wait: float = 0  # seconds between the requests


CASES: list[Case] = []


def case(name, *requests, config="main", wait=0):
    assert all(c.name != name for c in CASES), name
    CASES.append(Case(name, list(requests), config, wait))


def post(path, body, headers=None, key="master"):
    return Request("POST", path, body, headers or {}, key)


def get(path, headers=None, key="master"):
    return Request("GET", path, None, headers or {}, key)


def chat(model, messages=HELLO, headers=None, key="master", path="/v1/chat/completions", **extra):
    return post(path, {"model": model, "messages": messages, **extra}, headers, key)


def once(model, **extra):
    """A chat without retries."""
    return chat(model, num_retries=0, **extra)


# --- chat -----------------------------------------------------------------------------------------------------------

case("chat/plain", chat("chat"))
case("chat/at the root", chat("chat", path="/chat/completions"))
case("chat/trailing slash", chat("chat", path="/v1/chat/completions/"))
case("chat/engines path", chat("other", path="/engines/chat/chat/completions"))
case("chat/azure path", chat("other", path="/openai/deployments/chat/chat/completions?api-version=2024-10-21"))
case("chat/azure path without a body model", post("/openai/deployments/chat/chat/completions", {"messages": HELLO}))
case("chat/azure path, model with a slash", post("/openai/deployments/wild/good/chat/completions", {"messages": HELLO}))
case("chat/cursor path", chat("chat", path="/cursor/chat/completions"))
case("chat/priced", chat("priced"))
case("chat/described", chat("described"))
case("chat/without a model_info id", chat("unnamed"))
case("chat/alias", chat("alias"))
case("chat/hidden alias", chat("hidden-alias"))
case("chat/wildcard", chat("wild/good"))
case("chat/by deployment id", chat("id-chat"))
case("chat/by upstream name", chat("openai/good"))
case("chat/preset parameters", chat("preset"))
case("chat/preset parameters overridden", chat("preset", temperature=0.9, max_tokens=7))
case(
    "chat/all parameters",
    chat(
        "chat",
        temperature=0.1,
        top_p=0.2,
        n=2,
        stop=["x", "y"],
        max_tokens=10,
        max_completion_tokens=11,
        presence_penalty=0.3,
        frequency_penalty=0.4,
        logit_bias={"50256": -100},
        user="someone",
        seed=4,
        logprobs=True,
        top_logprobs=2,
        parallel_tool_calls=False,
        tools=[WEATHER],
        tool_choice="auto",
        response_format={"type": "json_object"},
        service_tier="auto",
        store=False,
        prediction={"type": "content", "content": "x"},
        reasoning_effort="low",
        verbosity="low",
        safety_identifier="s",
        prompt_cache_key="k",
    ),
)
case("chat/unknown parameter", chat("chat", vendor_option={"a": 1}))
case("chat/extra_body", chat("chat", extra_body={"vendor_option": 2}))
case("chat/metadata", chat("chat", metadata={"project": "p", "user_api_key_alias": "forged"}))
case("chat/user", chat("chat", user="u-1"))
case("chat/null parameters", chat("chat", temperature=None, tools=None, stop=None, stream=None))
case("chat/stream false", chat("chat", stream=False))
case(
    "chat/json schema",
    chat(
        "chat",
        response_format={
            "type": "json_schema",
            "json_schema": {
                "name": "x",
                "strict": True,
                "schema": {"type": "object", "properties": {}, "additionalProperties": False},
            },
        },
    ),
)
case(
    "chat/messages of all kinds",
    chat(
        "chat",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "system", "content": "Be kind."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look."},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                ],
                "name": "ann",
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "17 degrees"},
        ],
    ),
)
case("chat/tool calls", chat("tools", tools=[WEATHER]))
case("chat/tool calls that end with stop", chat("toolstop", tools=[WEATHER]))
case("chat/reasoning", chat("reasoning"))
case("chat/refusal", chat("refusal"))
case("chat/length", chat("length"))
case("chat/content filter", chat("filtered"))
case("chat/unusual finish reason", chat("odd"))
case("chat/without usage", chat("uncounted"))
case("chat/without choices", once("choiceless"))
case("chat/gpt-5 with max_tokens", chat("gpt-5-mini", max_tokens=10))
case("chat/gpt-5 with temperature", chat("gpt-5-mini", temperature=0.2))
case("chat/several models in one name", chat("chat,priced"))

# --- headers --------------------------------------------------------------------------------------------------------

CALL_ID = "11111111-2222-3333-4444-555555555555"
case("headers/call id", chat("chat", headers={"x-litellm-call-id": CALL_ID}))
case("headers/tags", chat("chat", headers={"x-litellm-tags": "a,b"}))
case("headers/bare key", chat("chat", headers={"Authorization": "sk-differential-master"}, key=None))
case("headers/lower case bearer", chat("chat", headers={"Authorization": "bearer sk-differential-master"}, key=None))
case("headers/x-litellm-api-key", chat("chat", headers={"x-litellm-api-key": "sk-differential-master"}, key=None))
case(
    "headers/x-litellm-api-key with Bearer",
    chat("chat", headers={"x-litellm-api-key": "Bearer sk-differential-master"}, key=None),
)
case("headers/api-key", chat("chat", headers={"api-key": "sk-differential-master"}, key=None))
case("headers/x-api-key", chat("chat", headers={"x-api-key": "sk-differential-master"}, key=None))
case("headers/x-goog-api-key", chat("chat", headers={"x-goog-api-key": "sk-differential-master"}, key=None))
case(
    "headers/Ocp-Apim-Subscription-Key",
    chat("chat", headers={"Ocp-Apim-Subscription-Key": "sk-differential-master"}, key=None),
)
case(
    "headers/x-litellm-api-key beats Authorization",
    chat("chat", headers={"x-litellm-api-key": "sk-differential-master", "Authorization": "Bearer sk-wrong"}, key=None),
)
case("headers/organization is not forwarded", chat("chat", headers={"OpenAI-Organization": "org-caller"}))
case(
    "headers/x- headers are not forwarded",
    chat("chat", headers={"x-trace": "t", "x-pass-through": "p", "User-Agent": "caller/1"}),
)
case("headers/x-pass-", chat("chat", headers={"x-pass-tenant": "blue"}))
case("headers/num retries", chat("s500", headers={"x-litellm-num-retries": "1"}))
case("headers/timeout", chat("patient", headers={"x-litellm-timeout": "0.4"}, num_retries=0))
case("headers/stream timeout", chat("patient", headers={"x-litellm-stream-timeout": "0.4"}, num_retries=0, stream=True))
case("headers/origin", chat("chat", headers={"Origin": "https://example.com"}))
case(
    "headers/preflight",
    Request(
        "OPTIONS",
        "/v1/chat/completions",
        None,
        {
            "Origin": "https://example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
        None,
    ),
)

# --- streams --------------------------------------------------------------------------------------------------------

for include in (False, True):
    options = {"stream_options": {"include_usage": True}} if include else {}
    suffix = " with usage" if include else ""
    case("stream/plain" + suffix, chat("chat", stream=True, **options))
    case("stream/tool calls" + suffix, chat("tools", stream=True, tools=[WEATHER], **options))
case("stream/tool calls that end with stop", chat("toolstop", stream=True, tools=[WEATHER]))
case("stream/reasoning", chat("reasoning", stream=True))
case("stream/length", chat("length", stream=True))
case("stream/unusual finish reason", chat("odd", stream=True))
case("stream/priced", chat("priced", stream=True, stream_options={"include_usage": True}))
case("stream/include_usage false", chat("chat", stream=True, stream_options={"include_usage": False}))
case("stream/alias", chat("alias", stream=True))
case("stream/azure path", chat("other", stream=True, path="/openai/deployments/chat/chat/completions"))
case("stream/slow chunks", chat("slowchunk", stream=True))
case("stream/slow chunks with a short timeout", once("slowchunk", stream=True, timeout=0.5))
case("stream/comments of the upstream", chat("comment", stream=True))
case("stream/no end mark behind the finish", chat("nodone", stream=True))
case("stream/error before the stream", once("s429", stream=True))
case("stream/500 before the stream", once("s500", stream=True))
case("stream/error as its first event", once("early-error", stream=True))
case("stream/closed before its first event", once("cut-early", stream=True))
case("stream/without any event", once("silent", stream=True))
case("stream/error in the middle", once("mid", stream=True))
case("stream/connection cut in the middle", once("cut", stream=True))
case("stream/ended in the middle", once("ended", stream=True))
case("stream/event that is no JSON", once("badchunk", stream=True))
case("stream/slow first chunk", once("slow-first", stream=True))
case("stream/usage for everybody", chat("chat", stream=True), config="router")

# --- other operations -----------------------------------------------------------------------------------------------

for path in ("/v1/completions", "/completions", "/openai/deployments/text/completions", "/engines/text/completions"):
    case("completions" + path, post(path, {"model": "text", "prompt": "Say hello."}))
case("completions/several prompts", post("/v1/completions", {"model": "text", "prompt": ["a", "b"]}))
case("completions/token ids", post("/v1/completions", {"model": "text", "prompt": [9906, 1917]}))
case("completions/stream", post("/v1/completions", {"model": "text", "prompt": "Say hello.", "stream": True}))
case(
    "completions/stream with usage",
    post(
        "/v1/completions",
        {"model": "text", "prompt": "Say hello.", "stream": True, "stream_options": {"include_usage": True}},
    ),
)
case(
    "completions/parameters",
    post(
        "/v1/completions",
        {
            "model": "text",
            "prompt": "Say hello.",
            "max_tokens": 5,
            "temperature": 0.1,
            "echo": False,
            "suffix": "!",
            "logprobs": 2,
            "best_of": 1,
        },
    ),
)
case("completions/of a chat model", post("/v1/completions", {"model": "chat", "prompt": "Say hello."}))
case("completions/without a prompt", post("/v1/completions", {"model": "text"}))
case("completions/unknown model", post("/v1/completions", {"model": "nobody", "prompt": "x"}))

for path in ("/v1/embeddings", "/embeddings", "/openai/deployments/embed/embeddings", "/engines/embed/embeddings"):
    case("embeddings" + path, post(path, {"model": "embed", "input": "hello"}))
case("embeddings/list", post("/v1/embeddings", {"model": "embed", "input": ["a", "b"]}))
case("embeddings/token ids", post("/v1/embeddings", {"model": "embed", "input": [9906, 1917]}))
case("embeddings/lists of token ids", post("/v1/embeddings", {"model": "embed", "input": [[9906], [1917]]}))
case("embeddings/base64", post("/v1/embeddings", {"model": "embed", "input": "a", "encoding_format": "base64"}))
case("embeddings/float", post("/v1/embeddings", {"model": "embed", "input": "a", "encoding_format": "float"}))
case("embeddings/dimensions", post("/v1/embeddings", {"model": "embed", "input": "a", "dimensions": 2, "user": "u"}))
case("embeddings/without input", post("/v1/embeddings", {"model": "embed"}))
case("embeddings/empty input", post("/v1/embeddings", {"model": "embed", "input": ""}))
case("embeddings/unknown model", post("/v1/embeddings", {"model": "nobody", "input": "x"}))
case("embeddings/upstream error", post("/v1/embeddings", {"model": "embed-500", "input": "x"}))

for path in ("/v1/rerank", "/rerank", "/v2/rerank"):
    case("rerank" + path, post(path, {"model": "rerank", "query": "q", "documents": ["a", "b", "c"], "top_n": 2}))
case(
    "rerank/documents as objects",
    post(
        "/v1/rerank",
        {"model": "rerank", "query": "q", "documents": [{"text": "a"}, {"text": "b"}], "return_documents": True},
    ),
)
case("rerank/without documents", post("/v1/rerank", {"model": "rerank", "query": "q"}))
case("rerank/unknown model", post("/v1/rerank", {"model": "nobody", "query": "q", "documents": ["a"]}))
case(
    "rerank/of a chat model", post("/v1/rerank", {"model": "chat", "query": "q", "documents": ["a"], "num_retries": 0})
)

# --- refusals of the proxy itself ------------------------------------------------------------------------------------

case("refusal/no key", chat("chat", key=None))
case("refusal/wrong key", chat("chat", key="sk-wrong-key-of-somebody"))
case("refusal/key that is no sk-", chat("chat", key="something-else"))
case("refusal/short key", chat("chat", key="x"))
case("refusal/no key for the models list", get("/v1/models", key=None))
case("refusal/no key for an unknown path", get("/v1/nothing", key=None))
case("refusal/unknown path", get("/v1/nothing"))
case("refusal/wrong method", get("/v1/chat/completions"))
case("refusal/unknown model", chat("nobody"))
case("refusal/unknown model, streamed", chat("nobody", stream=True))
case("refusal/unknown name, no wildcard", chat("nobody"), config="health")
case("refusal/no model, no wildcard", post("/v1/chat/completions", {"messages": HELLO}), config="health")
case("refusal/unknown model in the path", chat("chat", path="/openai/deployments/nobody/chat/completions"))
case("refusal/empty model", chat(""))
case("refusal/no model", post("/v1/chat/completions", {"messages": HELLO}))
case("refusal/model is a number", post("/v1/chat/completions", {"model": 5, "messages": HELLO}))
case("refusal/no messages", post("/v1/chat/completions", {"model": "chat"}))
case("refusal/messages is null", post("/v1/chat/completions", {"model": "chat", "messages": None}))
case("refusal/empty messages", chat("chat", messages=[]))
case("refusal/messages is a text", chat("chat", messages="hello"))
case("refusal/message is a text", chat("chat", messages=["hello"]))
case("refusal/unknown role", chat("chat", messages=[{"role": "wizard", "content": "x"}]))
case("refusal/message without a role", chat("chat", messages=[{"content": "x"}]))
case("refusal/empty body", post("/v1/chat/completions", b""))
case("refusal/bad JSON", post("/v1/chat/completions", b'{"model": "chat", "messages": [}'))
case("refusal/trailing comma", post("/v1/chat/completions", b'{"model": "chat",\n "messages": [],\n}'))
case("refusal/truncated JSON", post("/v1/chat/completions", b'{"model": "chat", "mess'))
case("refusal/body is a list", post("/v1/chat/completions", b"[]"))
case("refusal/body is null", post("/v1/chat/completions", b"null"))
case(
    "refusal/invalid UTF-8",
    post("/v1/chat/completions", b'{"model": "chat", "messages": [{"role": "user", "content": "\xff"}]}'),
)
case("refusal/bad JSON without a key", post("/v1/chat/completions", b"{", key=None))
case(
    "refusal/form body",
    post(
        "/v1/chat/completions",
        b'{"model": "chat", "messages": [{"role": "user", "content": "x"}]}',
        {"Content-Type": "application/x-www-form-urlencoded"},
    ),
)
case(
    "refusal/no content type",
    post(
        "/v1/chat/completions",
        b'{"model": "chat", "messages": [{"role": "user", "content": "x"}]}',
        {"Content-Type": ""},
    ),
)
case(
    "refusal/text body",
    post(
        "/v1/chat/completions",
        b'{"model": "chat", "messages": [{"role": "user", "content": "x"}]}',
        {"Content-Type": "text/plain"},
    ),
)
for name in ("api_base", "base_url", "api_key", "user_config", "model_list", "custom_llm_provider", "extra_headers"):
    case(
        f"refusal/{name} in the body",
        chat(
            "chat",
            **{
                name: {"x": "y"}
                if name in ("user_config", "extra_headers")
                else []
                if name == "model_list"
                else "http://127.0.0.1:9/v1"
                if "base" in name
                else "openai"
            },
        ),
    )
case("refusal/metadata is a list", chat("chat", metadata=[1]))
case("refusal/metadata is a text", chat("chat", metadata="x"))
case("refusal/temperature is a text", chat("chat", temperature="hot"))
case("refusal/stream is a text", chat("chat", stream="yes"))
case("refusal/mock_response", chat("chat", mock_response="mocked"))
case("refusal/mock_testing_fallbacks", chat("falls", mock_testing_fallbacks=True))
case("refusal/mock_timeout", chat("chat", mock_timeout=True, timeout=0.2, num_retries=0))
case("refusal/num_retries is a text", chat("chat", num_retries="many"))
case("refusal/timeout is a text", chat("chat", timeout="long"))
case("refusal/fallbacks is a text", chat("chat", fallbacks="chat"))

# --- refusals and failures of the upstream ---------------------------------------------------------------------------

for status in (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529):
    case(f"upstream/{status}", once(f"s{status}"))
case("upstream/429 with Retry-After", once("s429-after"))
case("upstream/context window", once("context"))
case("upstream/content policy", once("policy"))
case("upstream/400 without an envelope", once("plain"))
case("upstream/422 of FastAPI", once("detail"))
case("upstream/HTML", once("html"))
case("upstream/empty body", once("empty"))
case("upstream/no JSON", once("garbage"))
case("upstream/error inside a 200", once("inside"))
case("upstream/connection closed", once("drop"))
case("upstream/unreachable", once("unreachable"))

# --- retries, times --------------------------------------------------------------------------------------------------

case("retry/once", chat("flaky"))
case("retry/twice", chat("flaky-twice"))
case("retry/default count", chat("s500"))
case("retry/none asked", once("flaky"))
case("retry/one asked", chat("s500", num_retries=1))
case("retry/the deployment's own", chat("own-retries"))
case("retry/streamed", chat("flaky", stream=True))
case("retry/429", chat("s429-after", num_retries=1))
for status in (400, 401, 403, 404, 408, 409, 422):
    case(f"retry/{status}", chat(f"s{status}", num_retries=1))
case("retry/unreachable", chat("unreachable", num_retries=1))
case("timeout/the deployment's", once("slow"))
case("timeout/the body's", once("patient", timeout=0.4))
case("timeout/the body's request_timeout", once("patient", request_timeout=0.4))
case("timeout/long enough", once("patient", timeout=5))

# --- fallbacks -------------------------------------------------------------------------------------------------------

case("fallback/500", chat("falls"))
case("fallback/429", chat("falls-429"))
case("fallback/400", chat("falls-400"))
case("fallback/chain", chat("falls-twice"))
case("fallback/that fails too", chat("falls-nowhere", num_retries=0))
case("fallback/streamed", chat("falls", stream=True))
case("fallback/stream closed before its first event", chat("falls-cut", stream=True))
case("fallback/context window", chat("falls-context"))
case("fallback/content policy", chat("falls-policy"))
case("fallback/in the request", once("s500", fallbacks=["chat"]))
case(
    "fallback/in the request, with overrides",
    once("s500", fallbacks=[{"model": "chat", "messages": [{"role": "user", "content": "Something else."}]}]),
)
case("fallback/in the request, unknown", once("s500", fallbacks=["nobody"]))
case("fallback/in the request, streamed", once("s500", fallbacks=["chat"], stream=True))
case("fallback/disabled", chat("falls", disable_fallbacks=True))
case(
    "fallback/in the request for the context window", once("context", context_window_fallbacks=[{"context": ["chat"]}])
)
case("fallback/default", chat("falls"), config="router")
case("fallback/default for an unknown model", chat("nobody"), config="router")
case("mock/testing fallbacks", chat("chat", fallbacks=["falls"], mock_testing_fallbacks=True), config="router")
case("mock/testing fallbacks that answer", chat("never-cools", mock_testing_fallbacks=True), config="router")
case("mock/testing context fallbacks", chat("never-cools", mock_testing_context_fallbacks=True), config="router")
case(
    "mock/testing content policy fallbacks",
    chat("never-cools", mock_testing_content_policy_fallbacks=True),
    config="router",
)
case("mock/testing rate limit", chat("chat", mock_testing_rate_limit_error=True, num_retries=1), config="router")
case("mock/response", chat("chat", mock_response="mocked"), config="router")
case("mock/response, streamed", chat("chat", mock_response="mocked", stream=True), config="router")
case(
    "mock/timeout", chat("chat", mock_timeout=True, timeout=0.2, num_retries=0, disable_fallbacks=True), config="router"
)

# --- groups, tags, cooldowns, dropped parameters ----------------------------------------------------------------------

case("group/order and retry", chat("pair"))
case(
    "group/cooldown after 401",
    chat("cools", disable_fallbacks=True),
    chat("cools", disable_fallbacks=True),
    config="router",
    wait=0.3,
)
case(
    "group/no cooldown after 429",
    chat("never-cools", disable_fallbacks=True),
    chat("never-cools", disable_fallbacks=True),
    config="router",
    wait=0.3,
)
case("tags/in the header", chat("tagged", headers={"x-litellm-tags": "blue"}), config="router")
case("tags/in the body", chat("tagged", tags=["red"]), config="router")
case("tags/in the metadata", chat("tagged", metadata={"tags": ["blue"]}), config="router")
case("tags/that nobody has", chat("tagged", tags=["green"], disable_fallbacks=True), config="router")
case("tags/none", chat("tagged", disable_fallbacks=True), config="router")
case("tags/none with a default", chat("defaulted"), config="router")
case("drop/gpt-5", chat("gpt-5-mini", max_tokens=10, temperature=0.2, presence_penalty=0.1), config="router")

# --- lists and health -------------------------------------------------------------------------------------------------

for config in ("main", "router", "health"):
    case(f"models/{config}", get("/v1/models"), config=config)
case("models/at the root", get("/models"))
case("models/trailing slash", get("/v1/models/"))
case("models/wildcards", get("/v1/models?return_wildcard_routes=true"))
case("models/metadata", get("/v1/models?include_metadata=true"))
case("models/metadata of a kind", get("/v1/models?include_metadata=true&fallback_type=context_window"))
case("models/metadata of an unknown kind", get("/v1/models?include_metadata=true&fallback_type=x"))
case("models/bad scope", get("/v1/models?scope=x"))
case("models/one", get("/v1/models/chat"))
case("models/one described", get("/v1/models/described"))
case("models/one alias", get("/v1/models/alias"))
case("models/one through a wildcard", get("/v1/models/wild/good"))
case("models/unknown", get("/v1/models/nobody"))
case("model info/all", get("/v1/model/info"), config="health")
case("model info/at the root", get("/model/info"), config="health")
case("model info/one", get("/model/info?litellm_model_id=id-priced"))
case("model info/unknown", get("/model/info?litellm_model_id=nobody"))
case("model group info/all", get("/model_group/info"), config="health")
case("model group info/one", get("/model_group/info?model_group=described"))
case("model group info/priced", get("/model_group/info?model_group=priced"))
case("health/liveness", get("/health/liveness", key=None))
case("health/liveliness", get("/health/liveliness", key=None))
case("health/liveness options", Request("OPTIONS", "/health/liveness", None, {}, None))
case("health/readiness", get("/health/readiness", key=None))
case("health/readiness with the key", get("/health/readiness"))
case("health/all", get("/health"), config="health")
case("health/one model", get("/health?model=chat"), config="health")
case("health/unknown model", get("/health?model=nobody"), config="health")
case("health/unknown id", get("/health?model_id=nobody"), config="health")
case("health/no key", get("/health", key=None))

# --- OCI, through LiteLLM's own provider for it ------------------------------------------------------------------------

ITALY = [{"role": "user", "content": "What is the capital of Italy?"}]
TOKYO = [{"role": "user", "content": "What is the weather in Tokyo?"}]
CALLED = [
    *TOKYO,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"location": "Tokyo"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "17 degrees"},
]
for model in ("cohere", "grok", "gpt5", "llama", "gemini"):
    case(f"oci/{model}/chat", chat(model, ITALY, max_tokens=2000), config="oci")
    case(
        f"oci/{model}/stream",
        chat(model, ITALY, max_tokens=2000, stream=True, stream_options={"include_usage": True}),
        config="oci",
    )
    case(
        f"oci/{model}/system and history",
        chat(
            model,
            [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "My name is Ann"},
                {"role": "assistant", "content": "Hello."},
                {"role": "user", "content": "What is my name?"},
            ],
            max_tokens=2000,
        ),
        config="oci",
    )
    case(f"oci/{model}/tool call", chat(model, TOKYO, tools=[WEATHER], max_tokens=2000), config="oci")
    case(
        f"oci/{model}/tool call streamed",
        chat(model, TOKYO, tools=[WEATHER], max_tokens=2000, stream=True),
        config="oci",
    )
    case(f"oci/{model}/tool result", chat(model, CALLED, tools=[WEATHER], max_tokens=2000), config="oci")
    case(
        f"oci/{model}/parameters",
        chat(model, ITALY, max_tokens=2000, temperature=1, top_p=1, seed=3, stop=["zzz"]),
        config="oci",
    )
    case(
        f"oci/{model}/json schema",
        chat(
            model,
            ITALY,
            max_tokens=2000,
            response_format={
                "type": "json_schema",
                "json_schema": {
                    "name": "city",
                    "strict": True,
                    "schema": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}},
                        "required": ["name"],
                        "additionalProperties": False,
                    },
                },
            },
        ),
        config="oci",
    )
case("oci/unknown model", once("missing"), config="oci")
case("oci/fallback", chat("broken", ITALY), config="oci")
case("oci/embeddings", post("/v1/embeddings", {"model": "embed", "input": ["a", "b"]}), config="oci")
case(
    "oci/rerank",
    post("/v1/rerank", {"model": "rerank", "query": "tide", "documents": ["the tide", "flour"]}),
    config="oci",
)
