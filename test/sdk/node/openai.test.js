// The OpenAI SDK for Node against the gateway: the same main cases as the Python tests beside it.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { startDemo } from "./demo.js";

const chat = ["oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"];
const italy = [{ role: "user", content: "What is the capital of Italy?" }];
const tokyo = [{ role: "user", content: "What is the weather in Tokyo?" }];
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Get the weather at a location",
    parameters: { type: "object", properties: { location: { type: "string" } }, required: ["location"] },
  },
};
const noGatewayRetry = { num_retries: 0 };

let demo;
let client;

before(async () => {
  demo = await startDemo();
  client = new OpenAI({ baseURL: demo.url + "/v1", apiKey: demo.key, maxRetries: 0, timeout: 30_000 });
});
after(() => demo?.stop());

describe("chat", () => {
  for (const model of chat) {
    test(`${model} answers`, async () => {
      const reply = await client.chat.completions.create({ model, messages: italy });
      assert.equal(reply.choices[0].message.content, "Rome.");
      assert.equal(reply.choices[0].finish_reason, "stop");
      assert.equal(reply.model, model);
      assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens);
      assert.ok(reply._request_id);
    });

    for (const include_usage of [false, true]) {
      test(`${model} streams, include_usage ${include_usage}`, async () => {
        const stream = await client.chat.completions.create({
          model,
          messages: italy,
          stream: true,
          ...(include_usage && { stream_options: { include_usage } }),
        });
        const chunks = [];
        for await (const chunk of stream) chunks.push(chunk);
        const choices = chunks.flatMap((c) => c.choices);
        assert.equal(choices.map((c) => c.delta.content ?? "").join(""), "Rome.");
        assert.deepEqual(choices.map((c) => c.finish_reason).filter(Boolean), ["stop"]);
        assert.equal(new Set(chunks.map((c) => c.id)).size, 1);
        const counted = chunks.filter((c) => c.usage);
        assert.equal(counted.length, include_usage ? 1 : 0);
        if (include_usage) {
          assert.equal(counted[0], chunks.at(-1));
          assert.deepEqual(counted[0].choices, []);
        }
      });
    }
  }

  test("fifty calls at once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const messages = [{ role: "user", content: `What is ${i} + 1000?` }];
        const reply = await client.chat.completions.create({ model: chat[i % chat.length], messages });
        return reply.choices[0].message.content;
      }),
    );
    assert.deepEqual(answers, Array.from({ length: 50 }, (_, i) => String(i + 1000)));
  });
});

describe("tools", () => {
  for (const model of chat) {
    test(`${model} calls a tool and reads its result`, async () => {
      const asked = await client.chat.completions.create({ model, messages: tokyo, tools: [weather], tool_choice: "auto" });
      assert.equal(asked.choices[0].finish_reason, "tool_calls");
      const { message } = asked.choices[0];
      assert.equal(message.tool_calls.length, 1);
      const [call] = message.tool_calls;
      assert.equal(call.function.name, "get_weather");
      assert.equal(JSON.parse(call.function.arguments).location, "Tokyo");
      const answer = await client.chat.completions.create({
        model,
        messages: [...tokyo, message, { role: "tool", tool_call_id: call.id, content: "17 degrees" }],
        tools: [weather],
      });
      assert.match(answer.choices[0].message.content, /17 degrees/);
    });

    test(`${model} streams a tool call that the helper assembles`, async () => {
      const stream = client.chat.completions.stream({ model, messages: tokyo, tools: [weather] });
      const final = await stream.finalChatCompletion();
      const calls = final.choices[0].message.tool_calls;
      assert.equal(calls.length, 1);
      assert.equal(calls[0].function.name, "get_weather");
      assert.equal(JSON.parse(calls[0].function.arguments).location, "Tokyo");
      assert.equal(final.choices[0].finish_reason, "tool_calls");
    });
  }

  for (const model of chat.slice(1)) {
    test(`${model} calls the tool it is told to`, async () => {
      for (const tool_choice of ["required", { type: "function", function: { name: "get_weather" } }]) {
        const reply = await client.chat.completions.create({ model, messages: italy, tools: [weather], tool_choice });
        assert.equal(reply.choices[0].message.tool_calls[0].function.name, "get_weather");
      }
    });

    test(`${model} runs a tool loop`, async () => {
      const places = [];
      const runner = client.chat.completions.runTools({
        model,
        messages: tokyo,
        tools: [
          {
            type: "function",
            function: {
              name: "get_weather",
              description: "Get the weather at a location",
              parameters: weather.function.parameters,
              parse: JSON.parse,
              function: ({ location }) => {
                places.push(location);
                return `17 degrees in ${location}`;
              },
            },
          },
        ],
      });
      assert.match(await runner.finalContent(), /17 degrees in Tokyo/);
      assert.deepEqual(places, ["Tokyo"]);
    });
  }

  for (const model of chat.slice(0, 4)) {
    test(`${model} makes parallel calls`, async () => {
      const messages = [{ role: "user", content: "What is the weather in Tokyo and Paris?" }];
      const reply = await client.chat.completions.create({ model, messages, tools: [weather] });
      const calls = reply.choices[0].message.tool_calls;
      assert.deepEqual(calls.map((c) => JSON.parse(c.function.arguments).location), ["Tokyo", "Paris"]);
      assert.notEqual(calls[0].id, calls[1].id);
    });
  }
});

describe("structured output", () => {
  const Person = z.object({ name: z.string(), age: z.number(), address: z.object({ city: z.string() }), tags: z.array(z.string()) });
  const messages = [{ role: "user", content: "Anna Berg is 34 and lives in Oslo. Extract the person." }];

  for (const model of chat) {
    test(`${model} follows a schema`, async () => {
      const reply = await client.chat.completions.parse({ model, messages, response_format: zodResponseFormat(Person, "person") });
      assert.doesNotThrow(() => Person.parse(reply.choices[0].message.parsed));
    });
  }

  test("strict function tools are parsed", async () => {
    const Place = z.object({ location: z.string() });
    const tools = [zodFunction({ name: "get_weather", description: "Get the weather at a location", parameters: Place })];
    const reply = await client.chat.completions.parse({ model: "oci-gpt5-mini", messages: tokyo, tools });
    assert.deepEqual(reply.choices[0].message.tool_calls[0].function.parsed_arguments, { location: "Tokyo" });
  });
});

describe("embeddings", () => {
  const model = "oci-cohere-embed";

  test("base64, which the SDK asks for, is the vector that float gives", async () => {
    const floats = (await client.embeddings.create({ model, input: "harbour", encoding_format: "float" })).data[0].embedding;
    const decoded = (await client.embeddings.create({ model, input: "harbour" })).data[0].embedding;
    assert.equal(decoded.length, 1536);
    decoded.forEach((x, i) => assert.ok(Math.abs(x - floats[i]) < 1e-6));
    const raw = await client.embeddings.create({ model, input: "harbour", encoding_format: "base64" });
    assert.equal(typeof raw.data[0].embedding, "string");
  });

  test("more inputs than one call of OCI takes keep their order", async () => {
    const input = Array.from({ length: 200 }, (_, i) => `document number ${i}`);
    const all = await client.embeddings.create({ model, input });
    const one = await client.embeddings.create({ model, input: input[150] });
    assert.deepEqual(all.data.map((d) => d.index), input.map((_, i) => i));
    assert.deepEqual(all.data[150].embedding, one.data[0].embedding);
  });

  test("dimensions", async () => {
    const reply = await client.embeddings.create({ model, input: "harbour", dimensions: 256 });
    assert.equal(reply.data[0].embedding.length, 256);
  });
});

describe("the rest of the surface", () => {
  test("models", async () => {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    for (const alias of [...chat, "oci-cohere-embed"]) assert.ok(ids.includes(alias), alias);
    assert.equal((await client.models.retrieve("oci-grok")).id, "oci-grok");
    await assert.rejects(client.models.retrieve("no-such-model"), OpenAI.NotFoundError);
  });

  test("text completions", async () => {
    const reply = await client.completions.create({ model: "oci-cohere-command", prompt: italy[0].content, max_tokens: 50 });
    assert.match(reply.choices[0].text, /Rome/);
  });

  test("headers", async () => {
    const { data, response } = await client.chat.completions.create({ model: "oci-broken-demo", messages: italy }).withResponse();
    assert.equal(data.model, "cohere.command-latest");
    assert.equal(response.headers.get("x-litellm-attempted-fallbacks"), "1");
    assert.equal(response.headers.get("x-request-id"), data._request_id);
  });
});

describe("errors", () => {
  afterEach(() => demo.control("DELETE", "/_sim/faults"));
  const fault = (rule) => demo.control("POST", "/_sim/faults", { model: "cohere.command-latest", op: "chat", ...rule });
  const ask = (extra) => client.chat.completions.create({ model: "oci-cohere-command", messages: italy, ...noGatewayRetry, ...extra });

  test("a wrong key", async () => {
    const stranger = new OpenAI({ baseURL: demo.url + "/v1", apiKey: "sk-wrong-as-can-be", maxRetries: 0 });
    await assert.rejects(stranger.chat.completions.create({ model: "oci-grok", messages: italy }), OpenAI.AuthenticationError);
  });

  test("an unknown model and a missing field", async () => {
    await assert.rejects(ask({ model: "no-such-model" }), (e) => e instanceof OpenAI.BadRequestError && /Invalid model name/.test(e.message));
    await assert.rejects(ask({ messages: undefined }), (e) => e instanceof OpenAI.BadRequestError && e.param === "messages");
  });

  test("a rate limit with its Retry-After", async () => {
    await fault({ status: 429, retry_after: 7 });
    await assert.rejects(ask(), (e) => e instanceof OpenAI.RateLimitError && e.headers.get("retry-after") === "7");
  });

  test("the SDK's own retry", async () => {
    await fault({ status: 429, retry_after: 1, times: 1 });
    const patient = new OpenAI({ baseURL: demo.url + "/v1", apiKey: demo.key, maxRetries: 1 });
    const reply = await patient.chat.completions.create({ model: "oci-cohere-command", messages: italy, ...noGatewayRetry });
    assert.equal(reply.choices[0].message.content, "Rome.");
  });

  test("a failure of the upstream", async () => {
    await fault({ status: 500 });
    await assert.rejects(ask(), OpenAI.InternalServerError);
  });

  test("a stream that breaks after its beginning", async () => {
    await fault({ cut_after: 3, abrupt: true });
    const stream = await ask({ messages: [{ role: "user", content: "Write a long essay about tides." }], stream: true });
    let text = "";
    await assert.rejects(async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    }, OpenAI.APIError);
    assert.ok(text);
  });

  test("a stream that its caller leaves", async () => {
    await fault({ stream: true, chunk_delay: "200ms" });
    const stream = await ask({ messages: [{ role: "user", content: "Write a long essay about tides." }], stream: true });
    for await (const _ of stream) break;
    await demo.control("DELETE", "/_sim/faults");
    assert.equal((await ask()).choices[0].message.content, "Rome.");
  });
});
