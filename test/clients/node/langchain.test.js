// LangChain.js against the gateway.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";

import { startDemo } from "../../sdk/node/demo.js";

const chat = ["oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"];
const italy = "What is the capital of Italy?";
const tokyo = "What is the weather in Tokyo?";
const city = z.object({ name: z.string(), country: z.string() });
const getWeather = tool(({ location }) => `17 degrees in ${location}`, {
  name: "get_weather",
  description: "Get the weather at a location",
  schema: z.object({ location: z.string() }),
});

let demo;
before(async () => (demo = await startDemo()));
after(() => demo?.stop());

const modelOf = (model, options) =>
  new ChatOpenAI({ model, apiKey: demo.key, maxRetries: 0, configuration: { baseURL: demo.url + "/v1" }, ...options });

for (const model of chat) {
  test(`${model} answers`, async () => {
    const reply = await modelOf(model).invoke([["system", "Be brief."], ["user", italy]]);
    assert.equal(reply.content, "Rome.");
    assert.equal(reply.response_metadata.model_name, model);
    assert.ok(reply.usage_metadata.total_tokens > 0);
  });

  test(`${model} streams, with usage`, async () => {
    let text = "";
    let usage;
    for await (const chunk of await modelOf(model).stream(italy)) {
      text += chunk.content;
      usage = chunk.usage_metadata ?? usage;
    }
    assert.equal(text, "Rome.");
    assert.ok(usage.output_tokens > 0);
  });

  test(`${model} calls a tool`, async () => {
    const bound = modelOf(model).bindTools([getWeather]);
    const asked = await bound.invoke(tokyo);
    assert.deepEqual(asked.tool_calls.map((c) => [c.name, c.args]), [["get_weather", { location: "Tokyo" }]]);
    const result = await getWeather.invoke(asked.tool_calls[0]);
    const answer = await bound.invoke([["user", tokyo], asked, result]);
    assert.match(answer.content, /17 degrees in Tokyo/);
  });

  test(`${model} answers by a schema`, async () => {
    const structured = modelOf(model).withStructuredOutput(city, { name: "city", method: "jsonSchema" });
    city.parse(await structured.invoke("Tell me of Oslo in Norway."));
  });
}

for (const model of chat.slice(1)) {
  test(`${model} answers by a forced tool`, async () => {
    const structured = modelOf(model).withStructuredOutput(city, { name: "city", method: "functionCalling" });
    city.parse(await structured.invoke("Tell me of Oslo in Norway."));
  });
}

test("embeddings", async () => {
  const embedder = new OpenAIEmbeddings({
    model: "oci-cohere-embed",
    apiKey: demo.key,
    configuration: { baseURL: demo.url + "/v1" },
  });
  const vectors = await embedder.embedDocuments(["harbour", "mountain"]);
  assert.deepEqual(vectors.map((v) => v.length), [1536, 1536]);
  assert.ok(vectors[0].some((x) => x !== 0));
  assert.notDeepEqual(vectors[0], vectors[1]);
});
