"""The OpenAI SDK for Python against the gateway: chat in all its forms."""

import asyncio
import base64
import contextlib
import json
import socket
import struct
import zlib

import openai
import pydantic
import pytest
from openai import AsyncOpenAI, OpenAI

CHAT = ["oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"]
# The aliases whose upstream takes pictures and a `required` tool choice.
GENERIC = CHAT[1:]


def weather(**extra):
    return {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather at a location",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                },
                "required": ["location"],
            },
            **extra,
        },
    }


TIME = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "Get the clock time in a time zone",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]},
    },
}

ITALY = [{"role": "user", "content": "What is the capital of Italy?"}]


@pytest.fixture(scope="module")
def client(gateway):
    with OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0, timeout=30) as c:
        yield c


# --- chat ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", CHAT)
def test_chat(client, model):
    reply = client.chat.completions.create(model=model, messages=ITALY)
    choice = reply.choices[0]
    assert choice.message.content == "Rome."
    assert (choice.message.role, choice.finish_reason, choice.index) == ("assistant", "stop", 0)
    assert reply.model == model
    assert reply.object == "chat.completion"
    assert reply.id and reply.created > 1_700_000_000
    assert reply.usage.prompt_tokens > 0 and reply.usage.completion_tokens > 0
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


@pytest.mark.parametrize("model", CHAT)
def test_system_message_and_history(client, model):
    reply = client.chat.completions.create(
        model=model,
        messages=[
            {"role": "system", "content": "Answer with one integer."},
            {"role": "user", "content": "My number is 12"},
            {"role": "assistant", "content": "Noted."},
            {"role": "user", "content": "What is 7 x 8?"},
        ],
        max_tokens=400,
        temperature=0.2,
        top_p=0.9,
        stop=["\n\n"],
        seed=7,
        user="someone",
    )
    assert "56" in reply.choices[0].message.content


@pytest.mark.parametrize("model", CHAT)
def test_developer_message_and_system_message_last(client, model):
    reply = client.chat.completions.create(
        model=model,
        messages=[
            {"role": "developer", "content": "Be brief."},
            *ITALY,
            {"role": "system", "content": "Answer in English."},
        ],
    )
    assert "Rome" in reply.choices[0].message.content


@pytest.mark.parametrize("model", CHAT)
def test_a_small_cap_ends_by_length(client, model):
    # Far above what a model that thinks in secret spends before its first word.
    cap = 1200
    reply = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Write a 3000-word essay about tides."}],
        max_completion_tokens=cap,
    )
    assert reply.choices[0].finish_reason == "length"
    details = reply.usage.completion_tokens_details
    thought = (details.reasoning_tokens or 0) if details else 0
    # A Grok's thinking is shown, and counted beside the cap.
    assert cap - 300 < reply.usage.completion_tokens - thought <= cap


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize("model", CHAT)
def test_stream(client, model, include_usage):
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    with client.chat.completions.create(model=model, messages=ITALY, stream=True, **options) as stream:
        chunks = list(stream)
    with_choices = [c for c in chunks if c.choices]
    assert "".join(c.choices[0].delta.content or "" for c in with_choices) == "Rome."
    assert with_choices[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in with_choices if c.choices[0].finish_reason] == ["stop"]
    assert {c.model for c in chunks} == {model}
    assert {c.object for c in chunks} == {"chat.completion.chunk"}
    assert len({c.id for c in chunks}) == 1 and len({c.created for c in chunks}) == 1
    counted = [c.usage for c in chunks if c.usage]
    if not include_usage:
        assert counted == []
        return
    assert chunks[-1].choices == [] and len(counted) == 1
    assert counted[0].prompt_tokens > 0 and counted[0].completion_tokens > 0


def test_stream_helper_gives_the_final_completion(client):
    with client.chat.completions.stream(
        model="oci-grok", messages=ITALY, stream_options={"include_usage": True}
    ) as stream:
        deltas = [e.delta for e in stream if e.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content == "Rome."
    assert final.usage.total_tokens > 0


def test_several_choices(client):
    reply = client.chat.completions.create(model="oci-llama-4-maverick", messages=ITALY, n=2)
    assert [c.index for c in reply.choices] == [0, 1]
    assert {c.message.content for c in reply.choices} == {"Rome."}


def test_reasoning_is_counted_and_shown(client):
    reply = client.chat.completions.create(model="oci-grok", messages=ITALY, reasoning_effort="low")
    assert reply.choices[0].message.content == "Rome."
    assert reply.usage.completion_tokens_details.reasoning_tokens > 0


@pytest.mark.parametrize("effort", ["low", "high"])
def test_reasoning_effort_changes_the_thinking(client, effort):
    medium = client.chat.completions.create(model="oci-gpt5-mini", messages=ITALY, reasoning_effort="medium")
    other = client.chat.completions.create(model="oci-gpt5-mini", messages=ITALY, reasoning_effort=effort)
    a, b = (r.usage.completion_tokens_details.reasoning_tokens for r in (other, medium))
    assert a < b if effort == "low" else a > b


# --- tools --------------------------------------------------------------------------------------------------------


def only_call(message):
    assert len(message.tool_calls) == 1
    call = message.tool_calls[0]
    assert call.type == "function" and call.id
    return call.function.name, json.loads(call.function.arguments)


@pytest.mark.parametrize("model", CHAT)
def test_tools_auto(client, model):
    question = [{"role": "user", "content": "What is the weather in Tokyo?"}]
    reply = client.chat.completions.create(model=model, messages=question, tools=[weather(), TIME], tool_choice="auto")
    assert reply.choices[0].finish_reason == "tool_calls"
    name, arguments = only_call(reply.choices[0].message)
    assert (name, arguments["location"]) == ("get_weather", "Tokyo")


@pytest.mark.parametrize("model", CHAT)
def test_tools_none(client, model):
    question = [{"role": "user", "content": "What is the weather in Tokyo?"}]
    reply = client.chat.completions.create(model=model, messages=question, tools=[weather()], tool_choice="none")
    assert not reply.choices[0].message.tool_calls
    assert reply.choices[0].message.content


@pytest.mark.parametrize("model", GENERIC)
def test_tools_required(client, model):
    # Nothing in the question asks for a tool, so only the choice can cause the call.
    reply = client.chat.completions.create(model=model, messages=ITALY, tools=[weather()], tool_choice="required")
    assert only_call(reply.choices[0].message)[0] == "get_weather"


@pytest.mark.parametrize("model", GENERIC)
def test_tools_named(client, model):
    reply = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "What is the weather in Tokyo?"}],
        tools=[weather(), TIME],
        tool_choice={"type": "function", "function": {"name": "get_time"}},
    )
    assert only_call(reply.choices[0].message)[0] == "get_time"


PARALLEL = ["oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick"]


@pytest.mark.parametrize("model", PARALLEL)
def test_parallel_calls_and_their_results(client, model):
    messages = [{"role": "user", "content": "What is the weather in Tokyo and Paris?"}]
    extra = {} if model == "oci-cohere-command" else {"parallel_tool_calls": True}
    reply = client.chat.completions.create(model=model, messages=messages, tools=[weather()], **extra)
    calls = reply.choices[0].message.tool_calls
    assert [json.loads(c.function.arguments)["location"] for c in calls] == ["Tokyo", "Paris"]
    assert len({c.id for c in calls}) == 2
    degrees = {"Tokyo": "17 degrees", "Paris": "9 degrees"}
    messages.append(reply.choices[0].message.model_dump(exclude_none=True))
    for c in calls:
        place = json.loads(c.function.arguments)["location"]
        messages.append({"role": "tool", "tool_call_id": c.id, "content": degrees[place]})
    answer = client.chat.completions.create(model=model, messages=messages, tools=[weather()])
    assert not answer.choices[0].message.tool_calls
    assert all(d in answer.choices[0].message.content for d in degrees.values())


@pytest.mark.parametrize("model", CHAT)
def test_tool_result_round_trip(client, model):
    messages = [{"role": "user", "content": "What is the weather in Tokyo?"}]
    asked = client.chat.completions.create(model=model, messages=messages, tools=[weather()]).choices[0].message
    messages += [
        asked.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": '{"celsius": 17}'},
    ]
    answer = client.chat.completions.create(model=model, messages=messages, tools=[weather()])
    assert answer.choices[0].finish_reason == "stop"
    assert "17" in answer.choices[0].message.content


@pytest.mark.parametrize("model", CHAT)
def test_tool_calls_streamed(client, model):
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "What is the weather in Tokyo?"}],
        tools=[weather()],
        stream=True,
    )
    calls, finish = {}, []
    for chunk in stream:
        choice = chunk.choices[0]
        for delta in choice.delta.tool_calls or []:
            call = calls.setdefault(delta.index, {"ids": [], "names": [], "arguments": ""})
            call["ids"] += [delta.id] if delta.id else []
            call["names"] += [delta.function.name] if delta.function.name else []
            call["arguments"] += delta.function.arguments or ""
        finish += [choice.finish_reason] if choice.finish_reason else []
    assert list(calls) == [0]
    assert len(calls[0]["ids"]) == 1, "an id stands on the opening delta only"
    assert calls[0]["names"] == ["get_weather"]
    assert json.loads(calls[0]["arguments"])["location"] == "Tokyo"
    assert finish == ["tool_calls"]


@pytest.mark.parametrize("model", PARALLEL)
def test_parallel_calls_assembled_by_the_helper(client, model):
    with client.chat.completions.stream(
        model=model,
        messages=[{"role": "user", "content": "What is the weather in Tokyo and Paris?"}],
        tools=[weather()],
    ) as stream:
        done = [e for e in stream if e.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion().choices[0].message.tool_calls
    assert [json.loads(e.arguments)["location"] for e in done] == ["Tokyo", "Paris"]
    assert [json.loads(c.function.arguments)["location"] for c in final] == ["Tokyo", "Paris"]
    assert len({c.id for c in final}) == 2


# --- structured output --------------------------------------------------------------------------------------------


class Address(pydantic.BaseModel):
    city: str
    zip_code: str


class Person(pydantic.BaseModel):
    name: str
    age: int
    address: Address
    tags: list[str]


@pytest.mark.parametrize("model", CHAT)
def test_structured_output_parsed(client, model):
    reply = client.chat.completions.parse(
        model=model,
        messages=[{"role": "user", "content": "Anna Berg is 34 and lives in Oslo. Extract the person."}],
        response_format=Person,
    )
    person = reply.choices[0].message.parsed
    assert isinstance(person, Person)
    assert isinstance(person.address, Address)


@pytest.mark.parametrize("model", CHAT)
def test_structured_output_beside_tools(client, model):
    reply = client.chat.completions.parse(
        model=model,
        messages=[{"role": "user", "content": "Anna Berg is 34 and lives in Oslo. Extract the person."}],
        tools=[openai.pydantic_function_tool(Address, name="look_up_zip")],
        response_format=Person,
        tool_choice="none",
    )
    assert isinstance(reply.choices[0].message.parsed, Person)


@pytest.mark.parametrize("model", CHAT)
def test_json_object(client, model):
    reply = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Answer as JSON: the capital of Italy."}],
        response_format={"type": "json_object"},
    )
    assert isinstance(json.loads(reply.choices[0].message.content), dict)


def test_structured_output_streamed(client):
    with client.chat.completions.stream(
        model="oci-gemini-2.5-flash",
        messages=[{"role": "user", "content": "Anna Berg is 34 and lives in Oslo. Extract the person."}],
        response_format=Person,
    ) as stream:
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Person)


# --- pictures -----------------------------------------------------------------------------------------------------


def png(width, height, rgb):
    """A picture of one colour."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(rgb) * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("model", GENERIC)
def test_picture(client, model):
    url = "data:image/png;base64," + base64.b64encode(png(9, 5, (255, 0, 0))).decode()
    reply = client.chat.completions.create(
        model=model,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Describe the picture."},
                    {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
                ],
            }
        ],
    )
    assert "a red area of 9 by 5 pixels (png)" in reply.choices[0].message.content


@pytest.mark.parametrize("model", CHAT)
def test_a_pictures_address_is_not_fetched_by_the_gateway(client, model):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.png"
        content = [{"type": "text", "text": "Describe the picture."}, {"type": "image_url", "image_url": {"url": url}}]
        # Whether the model takes an address is the model's affair; the gateway must not follow it.
        with contextlib.suppress(openai.APIStatusError):
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
        with pytest.raises(TimeoutError):
            server.accept()


# --- the asynchronous client ---------------------------------------------------------------------------------------


def test_fifty_calls_at_once(gateway):
    async def run():
        async with AsyncOpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0, timeout=60) as client:

            async def one(i):
                messages = [{"role": "user", "content": f"What is {i} + 1000?"}]
                model = CHAT[i % len(CHAT)]
                if i % 2:
                    reply = await client.chat.completions.create(model=model, messages=messages)
                    return reply.choices[0].message.content
                stream = await client.chat.completions.create(model=model, messages=messages, stream=True)
                return "".join([c.choices[0].delta.content or "" async for c in stream])

            return await asyncio.gather(*(one(i) for i in range(50)))

    answers = asyncio.run(run())
    assert answers == [str(i + 1000) for i in range(50)]


def test_a_cancelled_stream_leaves_the_gateway_well(gateway, client, faults):
    rule = faults.add(model="cohere.command-latest", stream=True, chunk_delay="200ms")
    stream = client.chat.completions.create(
        model="oci-cohere-command",
        messages=[{"role": "user", "content": "Write a long essay about tides."}],
        stream=True,
    )
    seen = 0
    for _ in stream:
        seen += 1
        if seen == 3:
            break
    stream.close()
    assert faults.fired(rule)[0] == 1
    assert (
        client.chat.completions.create(model="oci-cohere-command", messages=ITALY).choices[0].message.content == "Rome."
    )


def test_an_async_task_cancelled_while_waiting(gateway, faults):
    faults.add(model="meta.llama*", latency="20s")

    async def run():
        async with AsyncOpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0) as client:
            call = asyncio.ensure_future(client.chat.completions.create(model="oci-llama-4-maverick", messages=ITALY))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(call, 0.5)
            return (await client.chat.completions.create(model="oci-grok", messages=ITALY)).choices[0].message.content

    assert asyncio.run(run()) == "Rome."
