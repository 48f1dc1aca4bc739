"""LangChain's OpenAI classes against the gateway."""

import pydantic
import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

CHAT = ["oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"]


def chat(gateway, model, **options):
    return ChatOpenAI(model=model, base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0, **options)


@tool
def get_weather(location: str) -> str:
    """Get the weather at a location."""
    return f"17 degrees in {location}"


@pytest.mark.parametrize("model", CHAT)
def test_invoke(gateway, model):
    reply = chat(gateway, model).invoke([SystemMessage("Be brief."), HumanMessage("What is the capital of Italy?")])
    assert reply.content == "Rome."
    assert reply.usage_metadata["total_tokens"] > 0
    assert reply.response_metadata["model_name"] == model


@pytest.mark.parametrize("model", CHAT)
def test_stream_with_usage(gateway, model):
    whole = None
    for chunk in chat(gateway, model, stream_usage=True).stream("What is the capital of Italy?"):
        whole = chunk if whole is None else whole + chunk
    assert whole.content == "Rome."
    assert whole.usage_metadata["output_tokens"] > 0


@pytest.mark.parametrize("model", CHAT)
def test_tools(gateway, model):
    bound = chat(gateway, model).bind_tools([get_weather])
    asked = bound.invoke("What is the weather in Tokyo?")
    assert [(c["name"], c["args"]["location"]) for c in asked.tool_calls] == [("get_weather", "Tokyo")]
    result = ToolMessage(get_weather.invoke(asked.tool_calls[0]["args"]), tool_call_id=asked.tool_calls[0]["id"])
    answer = bound.invoke([HumanMessage("What is the weather in Tokyo?"), asked, result])
    assert "17 degrees in Tokyo" in answer.content


class City(pydantic.BaseModel):
    """A city."""

    name: str = pydantic.Field(description="name of the city")
    country: str = pydantic.Field(description="its country")


@pytest.mark.parametrize("model", CHAT)
def test_structured_output_by_schema(gateway, model):
    city = chat(gateway, model).with_structured_output(City, method="json_schema").invoke("Tell me of Oslo in Norway.")
    assert isinstance(city, City)


@pytest.mark.parametrize("model", CHAT[1:])
def test_structured_output_by_a_forced_tool(gateway, model):
    city = (
        chat(gateway, model)
        .with_structured_output(City, method="function_calling")
        .invoke("Tell me of Oslo in Norway.")
    )
    assert isinstance(city, City)


def embedder(gateway, **options):
    return OpenAIEmbeddings(model="oci-cohere-embed", base_url=gateway.url + "/v1", api_key=gateway.key, **options)


def test_embeddings_of_texts(gateway):
    vectors = embedder(gateway, check_embedding_ctx_length=False).embed_documents(["harbour", "mountain"])
    assert [len(v) for v in vectors] == [1536, 1536] and vectors[0] != vectors[1]


class Cl100k:
    """Stands in for tiktoken, whose vocabulary would have to be downloaded: two words of cl100k_base."""

    words = {"hello world": [15339, 1917], "hello": [15339]}

    def encode(self, text, **_):
        return self.words[text]

    def encode_ordinary(self, text):
        return self.words[text]


def test_embeddings_of_token_arrays(gateway, monkeypatch):
    """By default the class sends lists of cl100k token ids instead of the texts."""
    monkeypatch.setattr("tiktoken.encoding_for_model", lambda _: Cl100k())
    monkeypatch.setattr("tiktoken.get_encoding", lambda _: Cl100k())
    by_tokens = embedder(gateway).embed_documents(["hello world", "hello"])
    by_text = embedder(gateway, check_embedding_ctx_length=False).embed_documents(["hello world", "hello"])
    assert by_tokens[0] == pytest.approx(by_text[0], abs=1e-6)
    assert by_tokens[1] == pytest.approx(by_text[1], abs=1e-6)
