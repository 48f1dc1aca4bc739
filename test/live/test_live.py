"""What a gateway must do on its first day, on every alias: the checks of Locus's gateway guide, with its own SDK.

The SDK takes the gateway's URL without /v1.
"""

import asyncio

import httpx
import pytest
from locus.agent import Agent
from locus.core.messages import Message
from locus.models.native.openai import OpenAIModel
from running import Alias, Gateway

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather at a location.",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "Name of a city"}},
            "required": ["location"],
        },
    },
}


@pytest.fixture
def model(gateway: Gateway, alias: Alias) -> OpenAIModel:
    return OpenAIModel(
        model=alias.name, api_key=gateway.key, base_url=gateway.url, max_tokens=alias.max_tokens, temperature=0.2
    )


def test_models_lists_alias(gateway: Gateway, alias: Alias) -> None:
    reply = httpx.get(gateway.url + "/v1/models", headers=gateway.bearer, timeout=10)
    assert reply.is_success, reply.text
    assert alias.name in [m["id"] for m in reply.json()["data"]]


def test_unauthenticated_is_refused(gateway: Gateway, alias: Alias) -> None:
    body = {"model": alias.name, "messages": [{"role": "user", "content": "hi"}]}
    reply = httpx.post(gateway.url + "/v1/chat/completions", json=body, timeout=10)
    assert reply.status_code in (401, 403), reply.text


def test_basic_completion(model: OpenAIModel) -> None:
    question = Message.user("What is the capital of Japan? Answer in one word.")
    reply = asyncio.run(model.complete([question]))
    assert "Tokyo" in (reply.message.content or "")
    assert reply.usage["prompt_tokens"] > 0
    assert reply.usage["completion_tokens"] > 0


def test_system_and_user(model: OpenAIModel) -> None:
    messages = [Message.system("Answer with one integer and nothing else."), Message.user("What is 7 x 8?")]
    reply = asyncio.run(model.complete(messages))
    assert "56" in (reply.message.content or "")


def test_streaming(model: OpenAIModel) -> None:
    async def events() -> list:
        return [e async for e in model.stream([Message.user("What is the capital of Japan? Answer in one word.")])]

    seen = asyncio.run(events())
    assert "Tokyo" in "".join(e.content or "" for e in seen)
    assert any(e.done for e in seen)


def test_tool_call(model: OpenAIModel) -> None:
    question = Message.user("What is the weather in Tokyo?")
    reply = asyncio.run(model.complete([question], tools=[WEATHER], tool_choice="auto"))
    assert reply.message.tool_calls, f"no tool was called: {reply.message.content!r}"
    call = reply.message.tool_calls[0]
    assert call.name == "get_weather"
    assert "location" in call.arguments


def test_agent_loop(model: OpenAIModel) -> None:
    agent = Agent(model=model, system_prompt="Answer in a single sentence.")
    result = agent.run_sync("What is the capital of France?")
    assert result.success
    assert result.message.strip()


def test_embeddings(gateway: Gateway, embedder: Alias) -> None:
    body = {"model": embedder.name, "input": ["harbour", "mountain", "harbour"], "encoding_format": "float"}
    reply = httpx.post(gateway.url + "/v1/embeddings", headers=gateway.bearer, json=body, timeout=30)
    assert reply.is_success, reply.text
    answer = reply.json()
    assert [d["index"] for d in answer["data"]] == [0, 1, 2]
    harbour, mountain, again = (d["embedding"] for d in answer["data"])
    assert len(harbour) == len(mountain) > 0
    assert harbour != mountain
    assert sum(a * b for a, b in zip(harbour, again, strict=True)) > sum(
        a * b for a, b in zip(harbour, mountain, strict=True)
    )
    assert answer["usage"]["total_tokens"] > 0
