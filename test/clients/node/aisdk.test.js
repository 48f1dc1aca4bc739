// Vercel's AI SDK against the gateway, by its provider for OpenAI-compatible services.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import { startDemo } from "../../sdk/node/demo.js";

const chat = ["oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"];
const italy = "What is the capital of Italy?";
const tokyo = "What is the weather in Tokyo?";
const city = z.object({ name: z.string(), country: z.string() });
const tools = {
  get_weather: tool({
    description: "Get the weather at a location",
    inputSchema: z.object({ location: z.string() }),
    execute: ({ location }) => `17 degrees in ${location}`,
  }),
};

let demo;
let provider;
before(async () => {
  demo = await startDemo();
  provider = createOpenAICompatible({
    name: "tollgate",
    baseURL: demo.url + "/v1",
    apiKey: demo.key,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
});
after(() => demo?.stop());

for (const model of chat) {
  test(`${model} answers`, async () => {
    const reply = await generateText({ model: provider(model), maxRetries: 0, system: "Be brief.", prompt: italy });
    assert.equal(reply.text, "Rome.");
    assert.equal(reply.finishReason, "stop");
    assert.equal(reply.usage.totalTokens, reply.usage.inputTokens + reply.usage.outputTokens);
    // Grok shows its thinking; the provider takes it up.
    assert.equal(Boolean(reply.reasoningText), model === "oci-grok");
  });

  test(`${model} streams, with usage`, async () => {
    const stream = streamText({ model: provider(model), maxRetries: 0, prompt: italy });
    const pieces = [];
    for await (const piece of stream.textStream) pieces.push(piece);
    assert.equal(pieces.join(""), "Rome.");
    assert.ok(pieces.length > 1);
    assert.ok((await stream.usage).outputTokens > 0);
  });

  test(`${model} calls a tool and uses its result`, async () => {
    const options = { model: provider(model), maxRetries: 0, prompt: tokyo, tools, stopWhen: stepCountIs(4) };
    const whole = await generateText(options);
    assert.match(whole.text, /17 degrees in Tokyo/);
    assert.equal(whole.steps.length, 2);
    const streamed = streamText(options);
    assert.match(await streamed.text, /17 degrees in Tokyo/);
    assert.equal((await streamed.steps).length, 2);
  });

  test(`${model} answers by a schema`, async () => {
    const { output } = await generateText({
      model: provider(model),
      maxRetries: 0,
      prompt: "Tell me of Oslo in Norway.",
      output: Output.object({ schema: city }),
    });
    city.parse(output);
  });
}

test("embeddings", async () => {
  const { embeddings, usage } = await embedMany({
    model: provider.embeddingModel("oci-cohere-embed"),
    values: ["harbour", "mountain"],
  });
  assert.deepEqual(embeddings.map((v) => v.length), [1536, 1536]);
  assert.ok(usage.tokens > 0);
});

test("an error keeps the gateway's text", async () => {
  await assert.rejects(
    generateText({ model: provider("none"), maxRetries: 0, prompt: italy }),
    (error) => APICallError.isInstance(error) && /none/.test(error.message) && !error.isRetryable,
  );
});
