// Starts the real binary (`tollgate demo`: gateway and OCI simulator). TOLLGATE_BIN names the binary; without it one
// is built from the checkout.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "../../..");

function build(folder) {
  const binary = join(folder, "tollgate");
  const done = spawnSync("go", ["build", "-trimpath", "-o", binary, "./cmd/tollgate"], {
    cwd: repository,
    env: { ...process.env, CGO_ENABLED: "0" },
    stdio: "inherit",
  });
  if (done.status !== 0) throw new Error("go build failed");
  return binary;
}

/** Start a demo; resolves to { url, key, control, stop }. */
export async function startDemo() {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-node-"));
  const binary = process.env.TOLLGATE_BIN ?? build(folder);
  const child = spawn(binary, ["demo", "--port", "0", "--data-dir", join(folder, "data")], {
    env: { PATH: process.env.PATH, HOME: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (text) => (log = (log + text).slice(-20_000)));
  const ended = new Promise((done) => child.on("exit", (code) => done(code)));
  const stop = async () => {
    child.kill("SIGTERM");
    const code = await ended;
    rmSync(folder, { recursive: true, force: true });
    if (code !== 0) throw new Error(`the demo ended with ${code}:\n${log}`);
  };

  const { url, key } = await new Promise((found, failed) => {
    let text = "";
    child.on("error", failed);
    ended.then((code) => failed(new Error(`the demo ended with ${code} before it was ready:\n${log}`)));
    child.stdout.on("data", (piece) => {
      text += piece;
      const key = /\bsk-\S+/.exec(text)?.[0];
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
      if (key && url) found({ url, key });
    });
  });
  const simulator = await simulatorOf(url, key);
  const control = async (method, path, body) => {
    const reply = await fetch(simulator + path, { method, body: body && JSON.stringify(body) });
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
    const text = await reply.text();
    return text ? JSON.parse(text) : null;
  };
  return { url, key, control, stop };
}

// A reply's header names the upstream's base address.
async function simulatorOf(url, key) {
  const reply = await fetch(url + "/v1/chat/completions", {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model: "oci-cohere-command", messages: [{ role: "user", content: "ping" }] }),
  });
  await reply.text();
  return reply.headers.get("x-litellm-model-api-base");
}
