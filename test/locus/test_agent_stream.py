"""An Agent whose words come as they are written: the SDK has it since 3.0."""

import asyncio
from collections.abc import Callable

from locus.agent import Agent
from locus.core.events import ModelChunkEvent, TerminateEvent
from locus.models.native.openai import OpenAIModel
from locus.tools.decorator import tool
from running import Alias


def test_agent_streams_its_answer_after_a_tool(model_of: Callable[..., OpenAIModel], alias: Alias) -> None:
    asked: list[str] = []

    @tool
    def get_weather(location: str) -> str:
        """Get the weather at a location."""
        asked.append(location)
        return f"It is 17 degrees in {location}."

    async def run() -> list:
        agent = Agent(model=model_of(alias), tools=[get_weather], system_prompt="Be brief.")
        return [e async for e in agent.run("What is the weather in Tokyo?", stream_tokens=True)]

    events = asyncio.run(run())
    assert asked == ["Tokyo"]
    assert "17 degrees" in "".join(e.content or "" for e in events if isinstance(e, ModelChunkEvent))
    ends = [e for e in events if isinstance(e, TerminateEvent)]
    assert [e.reason for e in ends] == ["complete"]
