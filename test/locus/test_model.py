"""OpenAIModel of the Locus SDK through the gateway: completions, streams, tools, structured output, errors."""

import asyncio
import json
from collections.abc import Callable
from enum import StrEnum

import httpx
import openai
import pydantic
import pytest
from locus.core.events import ModelChunkEvent
from locus.core.messages import Message, ToolCall, ToolResult
from locus.core.structured import build_response_format
from locus.models.failover import FailoverReason, classify
from locus.models.native.openai import OpenAIModel
from running import Alias, Gateway

Make = Callable[..., OpenAIModel]


def function(name: str, description: str, **parameters: dict) -> dict:
    """A tool in OpenAI's form, all of whose parameters are required."""
    schema = {"type": "object", "properties": parameters, "required": list(parameters)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


WEATHER = function("get_weather", "Get the weather at a location.", location={"type": "string"})
MULTIPLY = function("multiply", "Multiply two numbers.", a={"type": "number"}, b={"type": "number"})
CAPITAL = "What is the capital of Japan? Answer in one word."


def streamed(model: OpenAIModel, messages: list[Message], **options: object) -> list[ModelChunkEvent]:
    async def run() -> list[ModelChunkEvent]:
        return [e async for e in model.stream(messages, **options)]

    return asyncio.run(run())


def test_complete(model_of: Make, alias: Alias) -> None:
    reply = asyncio.run(model_of(alias).complete([Message.user(CAPITAL)]))
    assert "Tokyo" in reply.message.content
    assert reply.usage["prompt_tokens"] > 0
    assert reply.usage["completion_tokens"] > 0
    assert reply.stop_reason == "stop"


def test_complete_with_every_setting(model_of: Make, alias: Alias) -> None:
    """Settings that the vendor refuses must not reach it: Grok takes no penalties, GPT-5 no sampling and no stop."""
    settings = {
        "temperature": 0.2,
        "top_p": 0.5,
        "frequency_penalty": 0.3,
        "presence_penalty": 0.3,
        "seed": 7,
        "stop_sequences": ["<never>"],
    }
    reply = asyncio.run(model_of(alias, **settings).complete([Message.user(CAPITAL)]))
    assert "Tokyo" in reply.message.content


def test_stream(model_of: Make, alias: Alias) -> None:
    events = streamed(model_of(alias), [Message.user(CAPITAL)])
    assert "Tokyo" in "".join(e.content or "" for e in events)
    assert [e.done for e in events].count(True) == 1
    assert events[-1].done


def test_conversation_with_a_late_system_message(model_of: Make, alias: Alias) -> None:
    """Locus steers by system messages in the middle of a conversation."""
    messages = [
        Message.system("Be brief."),
        Message.user("My name is Quillfeather."),
        Message.assistant("Noted."),
        Message.system("Stay polite."),
        Message.user("What is my name?"),
    ]
    assert "Quillfeather" in asyncio.run(model_of(alias).complete(messages)).message.content
    assert "Quillfeather" in "".join(e.content or "" for e in streamed(model_of(alias), messages))


def test_conversation_that_ends_with_a_system_message(model_of: Make, alias: Alias) -> None:
    """Locus asks for repairs that way: b16 as a system message, later releases as a note of the user."""
    messages = [Message.user("Say hello."), Message.assistant("hello"), Message.system("Write it in capital letters.")]
    assert asyncio.run(model_of(alias).complete(messages)).message.content.strip()


def test_tool_call_and_its_result(model_of: Make, alias: Alias) -> None:
    model, question = model_of(alias), Message.user("What is the weather in Tokyo?")

    async def run() -> tuple[ToolCall, object, object]:
        asked = await model.complete([question], tools=[WEATHER, MULTIPLY], tool_choice="auto")
        call = asked.message.tool_calls[0]
        result = Message.tool(ToolResult(tool_call_id=call.id, name=call.name, content="17 degrees"))
        return call, asked, await model.complete([question, asked.message, result], tools=[WEATHER, MULTIPLY])

    call, asked, answered = asyncio.run(run())
    assert asked.stop_reason == "tool_calls"
    assert (call.name, call.arguments) == ("get_weather", {"location": "Tokyo"})
    assert "17" in answered.message.content


def test_streamed_tool_call(model_of: Make, alias: Alias) -> None:
    events = streamed(model_of(alias), [Message.user("What is the weather in Tokyo?")], tools=[WEATHER, MULTIPLY])
    calls = [c for e in events for c in e.tool_calls or []]
    assert [(c.name, c.arguments) for c in calls] == [("get_weather", {"location": "Tokyo"})]
    assert calls[0].id


def test_history_of_several_calls_in_one_turn(model_of: Make, alias: Alias) -> None:
    """One assistant turn asked for two calls of one tool; content is absent, as Locus leaves it out then."""
    calls = [
        ToolCall(id="call_1", name="get_weather", arguments={"location": "Oslo"}),
        ToolCall(id="call_2", name="get_weather", arguments={"location": "Lima"}),
    ]
    messages = [
        Message.user("Compare the weather in Oslo and in Lima."),
        Message.assistant(content=None, tool_calls=calls),
        Message.tool(ToolResult(tool_call_id="call_1", name="get_weather", content="minus 3 degrees")),
        Message.tool(ToolResult(tool_call_id="call_2", name="get_weather", content="plus 24 degrees")),
    ]
    answer = asyncio.run(model_of(alias).complete(messages, tools=[WEATHER])).message
    assert not answer.tool_calls
    assert "plus 24" in answer.content


class Grade(StrEnum):
    """How sure."""

    LOW = "low"
    HIGH = "high"


class Place(pydantic.BaseModel):
    """A place on a route."""

    name: str
    grade: Grade


class Route(pydantic.BaseModel):
    """Places in order, which makes the schema hold $defs and $ref."""

    title: str
    places: list[Place]
    best: Place | None
    kilometres: float


@pytest.mark.parametrize("tools", [None, [WEATHER]], ids=["alone", "beside tools"])
def test_structured_output(model_of: Make, alias: Alias, tools: list[dict] | None) -> None:
    """Locus sends the schema strictly, and on the turns that offer tools too."""
    question = [Message.user("Plan a walk that begins at the harbour.")]
    form = build_response_format(Route, strict=True)
    reply = asyncio.run(model_of(alias).complete(question, tools=tools, response_format=form))
    assert isinstance(Route.model_validate_json(reply.message.content), Route)


def test_structured_output_streamed(model_of: Make, alias: Alias) -> None:
    form = build_response_format(Route, strict=True)
    events = streamed(model_of(alias), [Message.user("Plan a walk.")], response_format=form)
    text = "".join(e.content or "" for e in events)
    assert json.loads(text)
    assert isinstance(Route.model_validate_json(text), Route)


# --- what Locus makes of a refusal --------------------------------------------------------------------------------


def refusal(model: OpenAIModel) -> FailoverReason:
    with pytest.raises(openai.APIStatusError) as refused:
        asyncio.run(model.complete([Message.user("hi")]))
    return classify(refused.value).reason


def test_a_wrong_key_asks_for_another_credential(model_of: Make) -> None:
    assert refusal(model_of(Alias("oci-cohere-command"), key="sk-of-nobody")) == FailoverReason.AUTH_TRANSIENT


def test_an_unknown_alias_is_a_missing_model(model_of: Make) -> None:
    assert refusal(model_of(Alias("exists-nowhere"))) == FailoverReason.MODEL_NOT_FOUND


def test_a_spent_budget_is_not_tried_again(model_of: Make, gateway: Gateway) -> None:
    """The SDK would ask four times, with pauses, if the gateway did not tell it to stop."""
    made = httpx.post(
        gateway.url + "/key/generate",
        headers=gateway.bearer,
        json={"models": ["oci-cohere-command"], "max_budget": 1e-9, "duration": "1h"},
        timeout=15,
    )
    assert made.is_success, made.text
    model = model_of(Alias("oci-cohere-command"), key=made.json()["key"])
    try:
        with pytest.raises(openai.RateLimitError) as refused:
            for _ in range(2):
                asyncio.run(model.complete([Message.user("hi")]))
    finally:
        httpx.post(gateway.url + "/key/delete", headers=gateway.bearer, json={"keys": [made.json()["key"]]}, timeout=15)
    assert refused.value.response.headers["x-should-retry"] == "false"
