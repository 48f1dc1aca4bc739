"""Agent companion: a Locus agent whose model is an alias of the gateway.

The program knows an address, a key and the name of an alias. It holds no cloud credential: the gateway signs the calls.
"""

import asyncio
import os
import sys

import httpx
import openai
from locus.agent import Agent
from locus.core.events import ModelChunkEvent, TerminateEvent
from locus.models.native.openai import OpenAIModel
from locus.tools.decorator import tool

BANNER = """\
Agent companion: a Locus agent on a model behind the gateway.

  agent.py  -- virtual key -->  gateway  -- signed by OCI's rules -->  OCI Generative AI

  LITELLM_GATEWAY_URL    {url}
  LITELLM_GATEWAY_KEY    {key}
  LITELLM_GATEWAY_MODEL  {model}
"""
HOW_TO = """\
Not set: {missing}. Nothing was called. For example:

  export LITELLM_GATEWAY_URL=http://127.0.0.1:4000
  export LITELLM_GATEWAY_KEY=sk-...    # a virtual key, or the master key
"""


@tool
def get_weather(location: str) -> str:
    """Get the weather at a location."""
    return f"It is 17 degrees in {location}."


def main() -> int:
    url = os.environ.get("LITELLM_GATEWAY_URL", "").rstrip("/")
    key = os.environ.get("LITELLM_GATEWAY_KEY", "")
    alias = os.environ.get("LITELLM_GATEWAY_MODEL") or "oci-cohere-command"
    print(BANNER.format(url=url or "not set", key="set" if key else "not set", model=alias))
    missing = [n for n, v in (("LITELLM_GATEWAY_URL", url), ("LITELLM_GATEWAY_KEY", key)) if not v]
    if missing:
        print(HOW_TO.format(missing=", ".join(missing)), end="")
        return 0
    try:
        window = check(url, key, alias)
        converse(url, key, alias, window)
    except Failure as failure:
        print(f"agent: {failure}", file=sys.stderr)
        return 1
    return 0


class Failure(Exception):
    """What went wrong, in one line for a person."""


def check(url: str, key: str, alias: str) -> int | None:
    """Ask the gateway for its models, in 5 seconds at most: it is there, takes the key, and has the alias.

    Returns how many tokens the model takes, where the gateway says so.
    """
    try:
        reply = httpx.get(url + "/v1/models", headers={"Authorization": "Bearer " + key}, timeout=5)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Failure(f"no gateway answers at {url}: {error}") from error
    if not reply.is_success:
        raise Failure(f"{url}/v1/models answered {reply.status_code}: {text_of(reply)}")
    try:
        models = {model["id"]: model for model in reply.json()["data"]}
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{url}/v1/models is no list of models; is this a gateway?") from error
    print(f"models: {', '.join(models)}\n")
    if alias not in models:
        raise Failure(f"the gateway has no model {alias} for this key")
    return models[alias].get("max_input_tokens")


def text_of(reply: httpx.Response) -> str:
    """The message of an error in OpenAI's shape, in one line."""
    try:
        return " ".join(reply.json()["error"]["message"].split())
    except (ValueError, KeyError, TypeError, AttributeError):
        return reply.reason_phrase


def converse(url: str, key: str, alias: str, window: int | None) -> None:
    """Two prompts, one with a tool, and one that is streamed."""
    # Locus wants the address without /v1. 600 tokens leave room for models that think before they answer.
    model = OpenAIModel(model=alias, api_key=key, base_url=url, max_tokens=600, temperature=0.2)
    plain = Agent(model=model, context_window=window, system_prompt="Answer in a single sentence.")
    equipped = Agent(model=model, context_window=window, tools=[get_weather], system_prompt="Be brief.")
    ask(plain, "What is the capital of Japan?")
    ask(plain, "What is 7 x 8?")
    ask(equipped, "What is the weather in Tokyo?")
    asyncio.run(stream(plain, "What is the capital of Norway?"))


def ask(agent: Agent, prompt: str) -> None:
    """Run the agent on a prompt and print its answer with what the gateway counted."""
    print(f"> {prompt}")
    try:
        result = agent.run_sync(prompt)
    except openai.OpenAIError as error:
        raise Failure(f"the gateway refused the prompt: {error}") from error
    if not result.success:
        raise Failure(f"the agent stopped ({result.stop_reason}): {result.error or 'no reason given'}")
    print(result.message)
    metrics = result.metrics
    tools = f", tool calls {metrics.tool_calls}" if metrics.tool_calls else ""
    print(f"  prompt tokens {metrics.prompt_tokens}, completion tokens {metrics.completion_tokens}{tools}\n")


async def stream(agent: Agent, prompt: str) -> None:
    """Run the agent on a prompt and print its answer as it comes."""
    print(f"> {prompt} (streamed)")
    chunks = 0
    try:
        async for event in agent.run(prompt, stream_tokens=True):
            if isinstance(event, ModelChunkEvent) and event.content:
                chunks += 1
                print(event.content, end="", flush=True)
            elif isinstance(event, TerminateEvent) and event.reason == "error":
                raise Failure(f"the stream broke off: {event.final_message or 'no reason given'}")
    except openai.OpenAIError as error:
        raise Failure(f"the stream broke off: {error}") from error
    print(f"\n  chunks {chunks}")


if __name__ == "__main__":
    sys.exit(main())
