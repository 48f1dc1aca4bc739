"""Locus's Agent on the gateway: the loop, its tools, its structured answer."""

from collections.abc import Callable

import pydantic
from locus.agent import Agent
from locus.models.native.openai import OpenAIModel
from locus.tools.decorator import tool
from running import Alias

Make = Callable[..., OpenAIModel]


def test_agent(model_of: Make, alias: Alias) -> None:
    result = Agent(model=model_of(alias), system_prompt="Answer in a single sentence.").run_sync(
        "What is the capital of France?"
    )
    assert result.success, result.error
    assert "Paris" in result.message
    assert result.metrics.prompt_tokens > 0
    assert result.metrics.completion_tokens > 0


def test_agent_with_tools(model_of: Make, alias: Alias) -> None:
    asked: list[object] = []

    @tool
    def get_weather(location: str) -> str:
        """Get the weather at a location."""
        asked.append(location)
        return f"It is 17 degrees in {location}."

    @tool
    def multiply(a: float, b: float) -> str:
        """Multiply two numbers."""
        asked.append((a, b))
        return str(a * b)

    agent = Agent(model=model_of(alias), tools=[get_weather, multiply], system_prompt="Use the tools.")
    result = agent.run_sync("What is the weather in Tokyo?")
    assert result.success, result.error
    assert asked == ["Tokyo"]
    assert "17 degrees" in result.message
    result = agent.run_sync("How much is 6 * 7?")
    assert result.success, result.error
    assert asked[1:] == [(6, 7)]
    assert "42" in result.message
    assert result.metrics.tool_calls == 1


class Verdict(pydantic.BaseModel):
    """What a reviewer found."""

    approved: bool
    reasons: list[str]


def test_agent_with_a_schema(model_of: Make, alias: Alias) -> None:
    agent = Agent(model=model_of(alias), output_schema=Verdict, system_prompt="You review.")
    result = agent.run_sync("Review this change: the log is rotated daily.")
    assert result.parse_error is None
    assert isinstance(result.parsed, Verdict)


def test_agent_with_a_schema_and_tools(model_of: Make, alias: Alias) -> None:
    asked: list[str] = []

    @tool
    def get_weather(location: str) -> str:
        """Get the weather at a location."""
        asked.append(location)
        return f"It is 17 degrees in {location}."

    agent = Agent(model=model_of(alias), tools=[get_weather], output_schema=Verdict, system_prompt="Use the tools.")
    result = agent.run_sync("What is the weather in Tokyo? Approve when it is warm.")
    assert asked == ["Tokyo"]
    assert isinstance(result.parsed, Verdict), result.parse_error
