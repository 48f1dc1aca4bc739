"""OpenAIEmbeddings of the Locus SDK through the gateway."""

import asyncio

import pytest
from locus.rag.embeddings.openai import OpenAIEmbeddings
from running import Alias, Gateway, embedding_aliases


@pytest.fixture(params=embedding_aliases(), ids=str)
def embedder(request: pytest.FixtureRequest, gateway: Gateway) -> OpenAIEmbeddings:
    alias: Alias = request.param
    return OpenAIEmbeddings(model=alias.name, api_key=gateway.key, base_url=gateway.url)


def test_one_text(embedder: OpenAIEmbeddings) -> None:
    assert len(asyncio.run(embedder.embed("hello world")).embedding) == 1536


def test_more_texts_than_oci_takes_in_one_call(embedder: OpenAIEmbeddings) -> None:
    """OCI takes 96 inputs a call; the order is that of the inputs."""
    texts = [f"text number {n}" for n in range(200)]

    async def run() -> tuple[list, list]:
        return await embedder.embed_batch(texts), await embedder.embed_batch([texts[0], texts[150]])

    many, two = asyncio.run(run())
    assert len(many) == 200
    assert [many[0].embedding, many[150].embedding] == [r.embedding for r in two]
    assert many[0].embedding != many[1].embedding


@pytest.mark.parametrize("embedding", embedding_aliases(), ids=str)
def test_dimensions(gateway: Gateway, embedding: Alias) -> None:
    embedder = OpenAIEmbeddings(model=embedding.name, api_key=gateway.key, base_url=gateway.url, dimensions=256)
    assert len(asyncio.run(embedder.embed("hello")).embedding) == 256
