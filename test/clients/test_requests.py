"""What applications send that cannot run here, sent as they send it: Open WebUI, LibreChat, Continue, Cursor, Codex,
Claude Code. The requests of Open WebUI 0.12.4, Continue's cn 1.5.47, Codex 0.169.0 and Claude Code 2.1.332 were
recorded; the others follow what their makers and users have published.
"""

import json
import os
import pathlib
import re
import secrets
import socket
import subprocess
import time

import httpx
import pytest

CHAT = ["oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"]
JAPAN = {"role": "user", "content": "What is the capital of Japan?"}
# LibreChat names its users by the identifiers of their documents.
MONGO_ID = "507f1f77bcf86cd799439011"


def post(gateway, path, body, **headers):
    return httpx.post(
        gateway.url + path, json=body, headers={"Authorization": "Bearer " + gateway.key, **headers}, timeout=30
    )


def answer(reply):
    assert reply.status_code == 200, reply.text
    return reply.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/"])
def test_lists_of_models(gateway, path):
    reply = httpx.get(gateway.url + path, headers={"Authorization": "Bearer " + gateway.key})
    assert set(CHAT) <= {m["id"] for m in reply.json()["data"]}


@pytest.mark.parametrize("model", CHAT)
def test_open_webui_keeps_empty_answers_in_the_conversation(gateway, model):
    """An answer that was stopped before its first word stays as an empty text, and older versions send an empty system
    prompt."""
    messages = [
        {"role": "system", "content": ""},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": ""},
        JAPAN,
    ]
    assert answer(post(gateway, "/v1/chat/completions", {"model": model, "stream": False, "messages": messages})) == (
        "Tokyo."
    )


@pytest.mark.parametrize(
    ("model", "dropped"),
    [
        ("oci-cohere-command", None),
        ("oci-grok", "frequency_penalty, presence_penalty, stop"),
        ("oci-gpt5-mini", "frequency_penalty, presence_penalty"),
        ("oci-llama-4-maverick", None),
        ("oci-gemini-2.5-flash", None),
    ],
)
def test_librechat_sends_sampling_parameters_that_models_refuse(gateway, model, dropped):
    """drop_params of the configuration leaves out what a model does not take, and a header names it."""
    body = {
        "model": model,
        "messages": [JAPAN],
        "user": MONGO_ID,
        "stop": ["||>", "\nUser:"],
        "temperature": 1,
        "top_p": 1,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.1,
    }
    reply = post(gateway, "/v1/chat/completions", body)
    assert answer(reply) == "Tokyo."
    assert reply.headers.get("x-tollgate-dropped-params") == dropped


def test_librechats_user_is_the_customer(gateway):
    post(gateway, "/v1/chat/completions", {"model": CHAT[0], "messages": [JAPAN], "user": MONGO_ID})
    assert customers(gateway)[-1] == MONGO_ID


def customers(gateway):
    rows = httpx.get(gateway.url + "/spend/logs", headers={"Authorization": "Bearer " + gateway.key}).json()
    return [row["end_user"] for row in rows]


def test_open_webui_names_its_user_in_our_header(gateway):
    """FORWARD_USER_INFO_HEADER_USER_ID renames the header that holds the user's id."""
    body = {"model": CHAT[0], "messages": [JAPAN]}
    post(gateway, "/v1/chat/completions", body, **{"x-litellm-end-user-id": "b2a491a5-615f"})
    assert customers(gateway)[-1] == "b2a491a5-615f"


def test_open_webui_names_its_user_in_its_own_header(header_gateway):
    """general_settings.user_header_name names that header to the gateway."""
    body = {"model": CHAT[0], "messages": [JAPAN]}
    headers = {"X-OpenWebUI-User-Name": "User", "X-OpenWebUI-User-Id": "c3a5", "X-OpenWebUI-User-Role": "admin"}
    assert answer(post(header_gateway, "/v1/chat/completions", body, **headers)) == "Tokyo."
    embedding = post(header_gateway, "/v1/embeddings", {"model": "oci-cohere-embed", "input": ["harbour"]}, **headers)
    assert embedding.status_code == 200
    assert customers(header_gateway) == ["c3a5", "c3a5"]


class Configured:
    """A gateway with a configuration of the test's own."""

    def __init__(self, url, key):
        self.url, self.key = url, key


@pytest.fixture(scope="module")
def header_gateway(binary, tmp_path_factory):
    """A simulator, and a gateway whose general_settings name Open WebUI's header."""
    folder = tmp_path_factory.mktemp("header")
    config = """
model_list:
  - model_name: oci-cohere-command
    litellm_params: &oci
      model: oci/cohere.command-latest
      oci_region: os.environ/OCI_REGION
      oci_user: os.environ/OCI_USER
      oci_fingerprint: os.environ/OCI_FINGERPRINT
      oci_tenancy: os.environ/OCI_TENANCY
      oci_key_file: os.environ/OCI_KEY_FILE
      oci_compartment_id: os.environ/OCI_COMPARTMENT_ID
      api_base: os.environ/OCI_ENDPOINT
  - model_name: oci-cohere-embed
    litellm_params: {<<: *oci, model: oci/cohere.embed-v4.0}
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  user_header_name: X-OpenWebUI-User-Id
"""
    file = folder / "config.yaml"
    file.write_text(config)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LITELLM_MASTER_KEY": "sk-" + secrets.token_hex(16)}
    started = []
    with (folder / "log").open("wb") as log:
        try:
            simulator = [binary, "sim", "--port", "0", "--dir", str(folder / "sim")]
            started.append(subprocess.Popen(simulator, stdout=subprocess.PIPE, stderr=log, env=environment, text=True))
            environment.update(exports(started[0].stdout))
            port = free_port()
            command = [binary, "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
            command += ["--data-dir", str(folder / "data")]
            started.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
            url = f"http://127.0.0.1:{port}"
            await_liveness(url, folder / "log")
            yield Configured(url, environment["LITELLM_MASTER_KEY"])
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(timeout=30)


def exports(lines):
    """The simulator's environment: lines of the form export NAME=value, OCI_ENDPOINT the last."""
    found = {}
    for line in lines:
        if match := re.fullmatch(r"export (\w+)=(.*)\n", line):
            found[match[1]] = match[2]
        if "OCI_ENDPOINT" in found:
            return found
    raise RuntimeError("the simulator did not start")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def await_liveness(url, log: pathlib.Path):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(url + "/health/liveliness").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("the gateway did not start:\n" + log.read_text()[-2000:])


def test_open_webuis_background_tasks(gateway):
    """Titles, tags and follow-ups are plain calls of the chat's model, without a stream and a limit."""
    task = "### Task:\nGenerate a concise title summarizing the chat history.\n### Chat History:\nUSER: Say hello"
    body = {"model": "oci-grok", "messages": [{"role": "user", "content": task}], "stream": False}
    reply = post(gateway, "/v1/chat/completions", body, **{"X-OpenWebUI-Chat-Id": "c1"})
    assert answer(reply)


def test_continue_completes_code_by_the_legacy_route(gateway):
    """No model of OCI's fills in the middle, so the text behind the cursor is dropped and named."""
    body = {"model": "oci-llama-4-maverick", "prompt": "def add(a, b):", "suffix": "return c", "max_tokens": 20}
    reply = post(gateway, "/v1/completions", body)
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["text"]
    assert reply.headers["x-tollgate-dropped-params"] == "suffix"


def test_cursor_sends_bodies_of_responses_to_chat(gateway):
    """Some versions do so for models that they take for agents. The refusal says what is missing."""
    body = {"model": "oci-grok", "input": [JAPAN], "stream": True}
    reply = post(gateway, "/v1/chat/completions", body)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == "/chat/completions: Missing required parameter: 'messages'."


@pytest.mark.parametrize("model", CHAT)
def test_flat_tools_with_messages_are_understood(gateway, model):
    """The Responses API's form of a tool, in a body that otherwise is chat's."""
    tool = {
        "type": "function",
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
    }
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "What is the weather in Tokyo?"}],
        "tools": [tool],
    }
    reply = post(gateway, "/v1/chat/completions", body)
    (choice,) = reply.json()["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert call["function"] == {"name": "get_weather", "arguments": '{"location":"Tokyo"}'}


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/v1/responses", "the Responses API"),
        ("/v1/messages?beta=true", "Anthropic's Messages API"),
        ("/v1/messages/count_tokens?beta=true", "Anthropic's Messages API"),
    ],
)
def test_codex_and_claude_code_are_told_that_their_protocol_is_not_served(gateway, path, what):
    reply = httpx.post(
        gateway.url + path,
        json={"model": "oci-grok", "messages": [JAPAN], "max_tokens": 20, "stream": True},
        headers={"x-api-key": gateway.key, "anthropic-version": "2023-06-01"},
    )
    assert reply.status_code == 501
    assert reply.headers["x-should-retry"] == "false"
    assert reply.json()["error"]["message"] == (
        f"This version of the gateway does not serve {what} yet. GET / lists what it serves."
    )


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_of_token_arrays(gateway, encoding):
    """LangChain's Python class sends cl100k tokens by default. "hello world" is [15339, 1917]."""
    by_tokens, by_text = (
        post(gateway, "/v1/embeddings", {"model": "oci-cohere-embed", "input": i, "encoding_format": encoding}).json()
        for i in ([[15339, 1917]], ["hello world"])
    )
    assert by_tokens["data"] == by_text["data"]
    assert isinstance(by_text["data"][0]["embedding"], str if encoding == "base64" else list)


def test_tokens_that_do_not_exist(gateway):
    reply = post(gateway, "/v1/embeddings", {"model": "oci-cohere-embed", "input": [[999_999_999]]})
    assert reply.status_code == 400
    assert "send the text itself" in json.dumps(reply.json())
