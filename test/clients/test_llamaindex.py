"""LlamaIndex's OpenAILike classes against the gateway."""

import pydantic
import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

CHAT = ["oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"]
ITALY = "What is the capital of Italy?"


def chat(gateway, model, **options):
    settings = {"is_chat_model": True, "is_function_calling_model": True, "context_window": 128_000, **options}
    return OpenAILike(
        model=model, api_base=gateway.url + "/v1", api_key=gateway.key, max_tokens=600, max_retries=0, **settings
    )


@pytest.mark.parametrize("model", CHAT)
def test_chat(gateway, model):
    messages = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=ITALY)]
    reply = chat(gateway, model).chat(messages)
    assert reply.message.content == "Rome."
    assert reply.raw.usage.total_tokens > 0


@pytest.mark.parametrize("model", CHAT)
def test_stream(gateway, model):
    chunks = list(chat(gateway, model).stream_chat([ChatMessage(role="user", content=ITALY)]))
    assert "".join(c.delta or "" for c in chunks) == "Rome."
    assert chunks[-1].message.content == "Rome."


def get_weather(location: str) -> str:
    """Get the weather at a location."""
    return f"17 degrees in {location}"


@pytest.mark.parametrize("model", CHAT)
def test_tools(gateway, model):
    reply = chat(gateway, model).predict_and_call(
        [FunctionTool.from_defaults(get_weather)], "What is the weather in Tokyo?"
    )
    assert reply.response == "17 degrees in Tokyo"


class City(pydantic.BaseModel):
    """A city."""

    name: str
    country: str


@pytest.mark.parametrize("model", CHAT)
def test_structured_output_by_schema(gateway, model):
    structured = chat(gateway, model, should_use_structured_outputs=True).as_structured_llm(City)
    assert isinstance(structured.complete("Tell me of Oslo in Norway.").raw, City)


@pytest.mark.parametrize("model", CHAT[1:])
def test_structured_output_by_a_forced_tool(gateway, model):
    assert isinstance(chat(gateway, model).as_structured_llm(City).complete("Tell me of Oslo in Norway.").raw, City)


def test_cohere_cannot_be_forced_to_call_a_tool(gateway):
    """OCI's Cohere models have no tool_choice, so the gateway drops it, and the class finds no call."""
    structured = chat(gateway, "oci-cohere-command").as_structured_llm(City)
    with pytest.raises(ValueError, match="at least one tool call"):
        structured.complete("Tell me of Oslo in Norway.")


def test_legacy_completion(gateway):
    """What the class does unless told that a model is a chat model."""
    assert chat(gateway, "oci-llama-4-maverick", is_chat_model=False).complete(ITALY).text == "Rome."


def test_embeddings(gateway):
    embedder = OpenAILikeEmbedding(model_name="oci-cohere-embed", api_base=gateway.url + "/v1", api_key=gateway.key)
    vectors = embedder.get_text_embedding_batch(["harbour", "mountain"])
    assert [len(v) for v in vectors] == [1536, 1536]
    assert vectors[0] != vectors[1]
