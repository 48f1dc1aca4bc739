"""The OpenAI SDK for Python against the gateway: embeddings, models, text completions, headers and errors."""

import math
import uuid

import openai
import pytest
from openai import OpenAI

ITALY = [{"role": "user", "content": "What is the capital of Italy?"}]
ALIASES = {
    "oci-cohere-command",
    "oci-grok",
    "oci-gpt5-mini",
    "oci-llama-4-maverick",
    "oci-gemini-2.5-flash",
    "oci-cohere-embed",
}
NO_GATEWAY_RETRY = {"num_retries": 0}


@pytest.fixture(scope="module")
def client(gateway):
    with OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0, timeout=30) as c:
        yield c


# --- embeddings ---------------------------------------------------------------------------------------------------


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def test_embedding_default_is_base64_on_the_wire(client):
    """The SDK asks for base64 by itself and decodes it."""
    reply = client.embeddings.create(model="oci-cohere-embed", input="The tide turns at noon")
    assert reply.object == "list" and reply.model == "oci-cohere-embed"
    assert reply.usage.prompt_tokens > 0 and reply.usage.total_tokens > 0
    vector = reply.data[0].embedding
    assert len(vector) == 1536 and all(isinstance(x, float) for x in vector)
    raw = client.embeddings.with_raw_response.create(
        model="oci-cohere-embed", input="The tide turns at noon", encoding_format="base64"
    )
    assert isinstance(raw.http_response.json()["data"][0]["embedding"], str)


def test_base64_and_float_are_the_same_vector(client):
    a = client.embeddings.create(model="oci-cohere-embed", input="harbour", encoding_format="float").data[0].embedding
    b = client.embeddings.create(model="oci-cohere-embed", input="harbour").data[0].embedding
    assert a == pytest.approx(b, abs=1e-6)


def test_near_texts_are_near(client):
    texts = ["The tide turns at noon", "At noon the tide turns", "Invoices are paid within thirty days"]
    a, b, c = (d.embedding for d in client.embeddings.create(model="oci-cohere-embed", input=texts).data)
    assert cosine(a, b) > cosine(a, c)


@pytest.mark.parametrize("form", ["float", "base64"])
def test_more_inputs_than_one_call_of_oci_takes(client, form):
    """OCI takes 96 inputs a call; the order must survive."""
    texts = [f"document number {i}" for i in range(250)]
    reply = client.embeddings.with_raw_response.create(
        model="oci-cohere-embed", input=texts, encoding_format=form
    ).http_response.json()
    assert [d["index"] for d in reply["data"]] == list(range(250))
    alone = client.embeddings.with_raw_response.create(
        model="oci-cohere-embed", input=texts[177], encoding_format=form
    ).http_response.json()
    assert reply["data"][177]["embedding"] == alone["data"][0]["embedding"]
    assert reply["data"][176]["embedding"] != alone["data"][0]["embedding"]


@pytest.mark.parametrize("form", ["float", "base64"])
def test_dimensions(client, form):
    reply = client.embeddings.create(model="oci-cohere-embed", input=["a", "b"], dimensions=256, encoding_format=form)
    if form == "float":
        assert [len(d.embedding) for d in reply.data] == [256, 256]
    else:
        assert [len(d.embedding) * 3 // 4 // 4 for d in reply.data] == [256, 256]


def test_token_arrays_are_decoded(client):
    """[15339, 1917] is "hello world" in cl100k_base."""
    tokens = (
        client.embeddings.create(model="oci-cohere-embed", input=[[15339, 1917]], encoding_format="float")
        .data[0]
        .embedding
    )
    text = (
        client.embeddings.create(model="oci-cohere-embed", input="hello world", encoding_format="float")
        .data[0]
        .embedding
    )
    assert tokens == text


def test_input_type_is_an_extra_field(client):
    kinds = [
        client.embeddings.create(
            model="oci-cohere-embed", input="hello", encoding_format="float", extra_body={"input_type": kind}
        )
        for kind in ("search_document", "search_query")
    ]
    assert all(len(r.data[0].embedding) == 1536 for r in kinds)


# --- models -------------------------------------------------------------------------------------------------------


def test_models_list_and_retrieve(client):
    listed = {m.id: m for m in client.models.list()}
    assert ALIASES <= set(listed)
    assert all(m.object == "model" and m.created == 1677610602 and m.owned_by == "openai" for m in listed.values())
    one = client.models.retrieve("oci-gemini-2.5-flash")
    assert (one.id, one.object) == ("oci-gemini-2.5-flash", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


# --- text completions ---------------------------------------------------------------------------------------------


def test_text_completion(client):
    reply = client.completions.create(model="oci-cohere-command", prompt="What is the capital of Italy?", max_tokens=50)
    assert reply.object == "text_completion" and reply.model == "oci-cohere-command"
    assert "Rome" in reply.choices[0].text and reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens > 0


def test_text_completion_of_several_prompts(client):
    reply = client.completions.create(
        model="oci-grok", prompt=["What is the capital of Italy?", "What is 7 x 8?"], max_tokens=300
    )
    assert [c.index for c in reply.choices] == [0, 1]
    assert "Rome" in reply.choices[0].text and "56" in reply.choices[1].text


def test_text_completion_streamed(client):
    chunks = list(
        client.completions.create(model="oci-llama-4-maverick", prompt="What is the capital of Italy?", stream=True)
    )
    assert "".join(c.choices[0].text for c in chunks if c.choices) == "Rome."
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]


# --- headers ------------------------------------------------------------------------------------------------------


def test_raw_headers(client):
    raw = client.chat.completions.with_raw_response.create(model="oci-grok", messages=ITALY)
    headers = raw.headers
    completion = raw.parse()
    assert completion._request_id == headers["x-request-id"]
    assert headers["x-litellm-call-id"] and headers["x-litellm-model-id"] and headers["x-litellm-version"]
    assert headers["x-litellm-model-group"] == "oci-grok"
    assert (headers["x-litellm-attempted-retries"], headers["x-litellm-attempted-fallbacks"]) == ("0", "0")
    assert float(headers["x-litellm-response-cost"]) > 0
    assert float(headers["x-litellm-response-duration-ms"]) > 0
    assert headers["x-tollgate-served-model"] == "xai.grok-4.20"


def test_the_callers_call_id_comes_back(client):
    mine = str(uuid.uuid4())
    raw = client.chat.completions.with_raw_response.create(
        model="oci-grok", messages=ITALY, extra_headers={"x-litellm-call-id": mine}
    )
    assert raw.headers["x-litellm-call-id"] == mine


def test_dropped_parameters_are_named(client):
    raw = client.chat.completions.with_raw_response.create(
        model="oci-grok", messages=ITALY, presence_penalty=0.5, frequency_penalty=0.5
    )
    dropped = raw.headers["x-tollgate-dropped-params"]
    assert "presence_penalty" in dropped and "frequency_penalty" in dropped


def test_a_streams_headers(client):
    with client.chat.completions.with_streaming_response.create(model="oci-grok", messages=ITALY, stream=True) as raw:
        assert raw.headers["content-type"].startswith("text/event-stream")
        assert raw.headers["x-litellm-model-group"] == "oci-grok"
        assert "x-litellm-response-cost" not in raw.headers
        lines = [line for line in raw.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"


def test_fallback_names_the_upstream_that_served(client):
    """An alias that fails by design is answered by the next one, under that one's own model id."""
    raw = client.chat.completions.with_raw_response.create(model="oci-broken-demo", messages=ITALY)
    assert raw.parse().model == "cohere.command-latest"
    assert raw.parse().choices[0].message.content == "Rome."
    assert raw.headers["x-litellm-attempted-fallbacks"] == "1"


def test_paths_at_the_root_and_of_azure(gateway):
    for base in (gateway.url, gateway.url + "/openai/deployments/oci-grok", gateway.url + "/engines/oci-grok"):
        with OpenAI(base_url=base, api_key=gateway.key, max_retries=0) as client:
            assert (
                client.chat.completions.create(model="oci-grok", messages=ITALY).choices[0].message.content == "Rome."
            )


def test_the_azure_client(gateway):
    with openai.AzureOpenAI(
        azure_endpoint=gateway.url, api_key=gateway.key, api_version="2024-10-21", max_retries=0
    ) as client:
        reply = client.chat.completions.create(model="oci-gemini-2.5-flash", messages=ITALY)
    assert reply.choices[0].message.content == "Rome."


# --- errors -------------------------------------------------------------------------------------------------------


def test_wrong_key(gateway):
    with OpenAI(base_url=gateway.url + "/v1", api_key="sk-wrong-as-can-be", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            client.chat.completions.create(model="oci-grok", messages=ITALY)
    assert refused.value.code == "401"
    assert "sk-wrong-as-can-be" not in refused.value.message


def test_no_key(gateway):
    with OpenAI(base_url=gateway.url + "/v1", api_key="x", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            client.chat.completions.create(
                model="oci-grok", messages=ITALY, extra_headers={"Authorization": openai.Omit()}
            )
    assert "No api key passed in" in refused.value.message
    assert refused.value.request_id


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "no-such-model", "messages": ITALY}, None),
        ({"model": "oci-grok", "messages": "hello"}, "messages"),
        ({"model": "oci-grok", "messages": []}, "messages"),
        ({"model": "oci-grok", "messages": ITALY, "max_tokens": "many"}, None),
    ],
)
def test_bad_requests(client, body, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**body)
    error = refused.value
    assert error.status_code == 400 and error.code == "400"
    assert error.message and error.type == "invalid_request_error"
    if param:
        assert error.param == param


def test_unknown_model_says_how_to_list_models(client):
    with pytest.raises(
        openai.BadRequestError, match="Invalid model name passed in model=no-such-model. Call `/v1/models`"
    ):
        client.chat.completions.create(model="no-such-model", messages=ITALY)


def test_an_embedding_model_does_not_chat(client):
    # OCI answers 404 for a model that it has, but not for this action.
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)):
        client.chat.completions.create(model="oci-cohere-embed", messages=ITALY)


def test_rate_limit_error_with_retry_after(client, faults):
    faults.add(model="cohere.command-latest", op="chat", status=429, retry_after=7)
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(model="oci-cohere-command", messages=ITALY, extra_body=NO_GATEWAY_RETRY)
    assert limited.value.response.headers["retry-after"] == "7"
    assert limited.value.status_code == 429


def test_the_sdks_own_retry(gateway, faults):
    rule = faults.add(model="cohere.command-latest", op="chat", status=429, retry_after=1, times=1)
    with OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=1) as client:
        reply = client.chat.completions.create(model="oci-cohere-command", messages=ITALY, extra_body=NO_GATEWAY_RETRY)
    assert reply.choices[0].message.content == "Rome."
    assert faults.fired(rule) == (1, 2)


def test_the_gateways_own_retry(client, faults):
    rule = faults.add(model="cohere.command-latest", op="chat", status=503, times=1)
    raw = client.chat.completions.with_raw_response.create(model="oci-cohere-command", messages=ITALY)
    assert raw.parse().choices[0].message.content == "Rome."
    assert raw.headers["x-litellm-attempted-retries"] == "1"
    assert faults.fired(rule) == (1, 2)


def test_internal_server_error(client, faults):
    faults.add(model="cohere.command-latest", op="chat", status=500)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="oci-cohere-command", messages=ITALY, extra_body=NO_GATEWAY_RETRY)


def test_a_timeout_is_408(client, faults):
    faults.add(model="cohere.command-latest", op="chat", latency="10s", times=1)
    with pytest.raises(openai.APIStatusError) as timed_out:
        client.chat.completions.create(
            model="oci-cohere-command", messages=ITALY, extra_body={"timeout": 0.3, **NO_GATEWAY_RETRY}
        )
    assert timed_out.value.status_code == 408


def test_a_stream_that_fails_before_its_first_chunk_is_a_plain_error(client, faults):
    faults.add(model="cohere.command-latest", op="chat", status=429, retry_after=3)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(
            model="oci-cohere-command", messages=ITALY, stream=True, extra_body=NO_GATEWAY_RETRY
        )


def test_a_stream_that_breaks_later_raises(client, faults):
    faults.add(model="cohere.command-latest", op="chat", cut_after=3, abrupt=True)
    stream = client.chat.completions.create(
        model="oci-cohere-command",
        messages=[{"role": "user", "content": "Write a long essay about tides."}],
        stream=True,
        extra_body=NO_GATEWAY_RETRY,
    )
    got = []
    with pytest.raises(openai.APIError):
        for chunk in stream:
            got.append(chunk.choices[0].delta.content or "")
    assert "".join(got), "what came before the break is delivered"
