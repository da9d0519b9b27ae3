// Every public method of the JavaScript SDK, against a running server.
// HOLDFAST_URL names the server, HOLDFAST_SDK the package: one suite, both lines.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, describe, test } from "node:test";

globalThis.WebSocket ??= (await import("ws")).WebSocket;

const packageName = process.env.HOLDFAST_SDK ?? "@langchain/langgraph-sdk";
const apiUrl = process.env.HOLDFAST_URL;
const { Client } = await import(packageName);
const GROUPS = ["assistants", "threads", "runs", "crons", "store"];

const bare = new Client({ apiUrl });
const called = new Set();
const client = Object.fromEntries(GROUPS.map((group) => [group, recorded(group)]));

// The group itself, which notes which of its methods are called.
function recorded(group) {
  return new Proxy(bare[group], {
    get(target, name) {
      const value = target[name];
      if (typeof value !== "function") return value;
      called.add(`${group}.${String(name)}`);
      return value.bind(target);
    },
  });
}

const said = (more = {}) => ({
  messages: [{ type: "human", content: "hello", id: "h" }],
  ...more,
});

async function newThread() {
  return (await bare.threads.create()).thread_id;
}

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

async function rejects(promise, status) {
  await assert.rejects(promise, (error) => error.status === status || new RegExp(status).test(error.message));
}

describe("assistants", () => {
  test("create, get, update, search, count, delete", async () => {
    const mark = randomUUID();
    const made = await client.assistants.create({ graphId: "echo", name: "one", metadata: { mark } });
    const changed = await client.assistants.update(made.assistant_id, { name: "two", graphId: "echo" });
    const found = await client.assistants.search({ graphId: "echo", metadata: { mark } });
    const got = await client.assistants.get(made.assistant_id);
    assert.deepEqual([changed.version, got.name, found.length], [2, "two", 1]);
    if (client.assistants.count) {
      assert.equal(await client.assistants.count({ metadata: { mark } }), 1);
    }
    await client.assistants.delete(made.assistant_id);
    await rejects(bare.assistants.get(made.assistant_id), 404);
  });

  test("getVersions and setLatest", async () => {
    const made = await client.assistants.create({ graphId: "echo", name: "one" });
    await client.assistants.update(made.assistant_id, { name: "two", graphId: "echo" });
    const versions = await client.assistants.getVersions(made.assistant_id);
    const back = await client.assistants.setLatest(made.assistant_id, 1);
    assert.deepEqual(versions.map((item) => item.version), [2, 1]);
    assert.equal(back.name, "one");
  });

  test("getGraph, getSchemas, getSubgraphs", async () => {
    const graph = await client.assistants.getGraph("talk", { xray: true });
    const schemas = await client.assistants.getSchemas("echo");
    const subgraphs = await client.assistants.getSubgraphs("talk", { recurse: true });
    assert.ok(graph.nodes.some((node) => node.id === "publish"));
    assert.ok("text" in schemas.input_schema.properties);
    assert.deepEqual(Object.keys(subgraphs), ["draft"]);
  });
});

describe("threads", () => {
  test("create, get, update, search, count, copy, prune, delete", async () => {
    const mark = randomUUID();
    const made = await client.threads.create({ metadata: { mark }, ttl: { ttl: 60, strategy: "delete" } });
    await client.threads.update(made.thread_id, { metadata: { more: 1 } });
    const got = await client.threads.get(made.thread_id);
    const found = await client.threads.search({ metadata: { mark }, sortBy: "created_at", sortOrder: "desc" });
    assert.deepEqual([got.metadata.more, found.length], [1, 1]);
    if (client.threads.count) assert.equal(await client.threads.count({ metadata: { mark } }), 1);
    const copy = await client.threads.copy(made.thread_id);
    if (client.threads.prune) {
      assert.equal((await client.threads.prune([copy.thread_id])).pruned_count, 1);
    }
    await client.threads.delete(made.thread_id);
    await rejects(bare.threads.get(made.thread_id), 404);
  });

  test("create with an id that is taken, and with supersteps", async () => {
    const threadId = await newThread();
    const again = await client.threads.create({ threadId, ifExists: "do_nothing" });
    const made = await client.threads.create({
      graphId: "echo",
      supersteps: [{ updates: [{ values: { text: "a", count: 3 }, asNode: "echo" }] }],
    });
    const state = await client.threads.getState(made.thread_id);
    assert.equal(again.thread_id, threadId);
    assert.deepEqual(state.values, { text: "a", count: 3 });
  });

  test("getState, updateState, patchState, getHistory", async () => {
    const threadId = await newThread();
    await bare.runs.wait(threadId, "echo", { input: { text: "a" } });
    await client.threads.updateState(threadId, { values: { text: "b" }, asNode: "echo" });
    const state = await client.threads.getState(threadId);
    const history = await client.threads.getHistory(threadId, { limit: 2 });
    const earlier = await client.threads.getState(threadId, history[1].checkpoint);
    await client.threads.patchState(threadId, { patched: true });
    assert.equal((await bare.threads.get(threadId)).metadata.patched, true);
    assert.deepEqual([state.values.text, earlier.values.text], ["b", "a"]);
    assert.equal(history.length, 2);
  });

  test("joinStream replays a resumable run", async () => {
    const threadId = await newThread();
    await bare.runs.wait(threadId, "echo", { input: { text: "a" } });
    const run = await bare.runs.create(threadId, "echo", { input: { text: "b" }, streamResumable: true });
    await bare.runs.join(threadId, run.run_id);
    if (!client.threads.joinStream) return;
    const abort = new AbortController();
    for await (const part of client.threads.joinStream(threadId, { lastEventId: "-1", signal: abort.signal })) {
      assert.equal(part.data.run_id, run.run_id);
      break;
    }
    abort.abort();
  });

  for (const transport of ["sse", "websocket"]) {
    test(`stream asks and is answered over ${transport}`, async (context) => {
      if (!client.threads.stream) return context.skip("this line has no thread streams");
      const thread = client.threads.stream({ assistantId: "talk", transport });
      try {
        await thread.run.start({ input: said({ ask: true }) });
        await interrupted(thread);
        const [question] = thread.interrupts;
        assert.equal(question.payload.question, "publish?");
        await thread.input.respond({
          namespace: question.namespace,
          interrupt_id: question.interruptId,
          response: { approved: true },
        });
        await until(async () => (await bare.threads.getState(thread.threadId)).values.outcome === "approved");
      } finally {
        await thread.close();
      }
    });
  }
});

async function interrupted(thread) {
  for await (const event of await thread.subscribe(["lifecycle", "input"])) {
    if (event.method === "input.requested") return;
  }
}

// Waits for something that only the server knows; fails after a deadline.
async function until(condition) {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error("it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("runs", () => {
  test("stream, every mode at once", async () => {
    const threadId = await newThread();
    let created;
    const parts = await collect(
      client.runs.stream(threadId, "talk", {
        input: said(),
        streamMode: ["values", "updates", "messages-tuple", "custom", "debug"],
        streamSubgraphs: true,
        streamResumable: true,
        onDisconnect: "continue",
        durability: "async",
        metadata: { m: 1 },
        config: { tags: ["t"], recursion_limit: 30, configurable: { k: "v" } },
        onRunCreated: (run) => {
          created = run;
        },
      }),
    );
    const kinds = new Set(parts.map((part) => part.event.split("|")[0]));
    assert.deepEqual(kinds, new Set(["metadata", "values", "updates", "messages", "custom", "debug"]));
    assert.equal(created.run_id, parts[0].data.run_id);
  });

  test("stream tells an error", async () => {
    const parts = await collect(client.runs.stream(await newThread(), "talk", { input: said({ fail: "kaboom" }) }));
    assert.equal(parts.at(-1).event, "error");
    assert.equal(parts.at(-1).data.message, "kaboom");
  });

  test("stream without a thread", async () => {
    const parts = await collect(client.runs.stream(null, "echo", { input: { text: "a" }, context: { suffix: "!" } }));
    assert.equal(parts.at(-1).data.text, "a!");
  });

  test("joinStream replays a resumable run", async () => {
    const threadId = await newThread();
    const run = await client.runs.create(threadId, "echo", {
      input: { text: "a" },
      streamResumable: true,
      streamMode: "updates",
    });
    await client.runs.join(threadId, run.run_id);
    const parts = await collect(client.runs.joinStream(threadId, run.run_id, { lastEventId: "-1" }));
    assert.deepEqual(parts.map((part) => part.event), ["metadata", "updates"]);
  });

  test("create, get, list, join, delete", async () => {
    const threadId = await newThread();
    const run = await client.runs.create(threadId, "echo", { input: { text: "a" } });
    const values = await client.runs.join(threadId, run.run_id);
    const got = await client.runs.get(threadId, run.run_id);
    const listed = await client.runs.list(threadId, { status: "success", limit: 5 });
    assert.deepEqual([values.text, got.status, listed.length], ["a", "success", 1]);
    await client.runs.delete(threadId, run.run_id);
    assert.deepEqual(await bare.runs.list(threadId), []);
  });

  test("createBatch", async () => {
    const runs = await client.runs.createBatch([
      { assistantId: "echo", input: { text: "a" } },
      { assistantId: "echo", input: { text: "b" } },
    ]);
    assert.equal(new Set(runs.map((run) => run.thread_id)).size, 2);
  });

  test("wait stops at a question and goes on with the answer", async () => {
    const threadId = await newThread();
    const stopped = await client.runs.wait(threadId, "talk", { input: said({ ask: true, amount: 2.5 }) });
    const [question] = stopped.__interrupt__;
    const finished = await client.runs.wait(threadId, "talk", {
      command: { resume: { [question.id]: { approved: true, amount: 3 } } },
    });
    assert.deepEqual([finished.outcome, finished.amount], ["approved", 3]);
  });

  test("wait raises the run's error", async () => {
    await assert.rejects(client.runs.wait(await newThread(), "talk", { input: said({ fail: "kaboom" }) }), /kaboom/);
  });

  test("cancel", async () => {
    const threadId = await newThread();
    const run = await client.runs.create(threadId, "talk", { input: said({ seconds: 60 }) });
    await client.runs.cancel(threadId, run.run_id, true);
    assert.equal((await bare.runs.get(threadId, run.run_id)).status, "interrupted");
  });

  test("cancelMany", async (context) => {
    if (!client.runs.cancelMany) return context.skip("this line cannot");
    const threadId = await newThread();
    const run = await client.runs.create(threadId, "echo", { input: {}, afterSeconds: 3600 });
    await client.runs.cancelMany({ threadId, runIds: [run.run_id] });
    assert.equal((await bare.runs.get(threadId, run.run_id)).status, "interrupted");
  });

  test("a refusal names the field", async () => {
    await rejects(client.runs.create(await newThread(), "echo", { input: {}, multitaskStrategy: "later" }), 422);
  });
});

describe("crons", () => {
  test("create, createForThread, search, count, update, delete", async () => {
    const threadId = await newThread();
    const cron = await client.crons.create("echo", { schedule: "0 5 * * *", input: {} });
    const threaded = await client.crons.createForThread(threadId, "echo", { schedule: "0 5 * * *", input: {} });
    const found = await client.crons.search({ threadId });
    assert.deepEqual(found.map((item) => item.cron_id), [threaded.cron_id]);
    if (client.crons.count) assert.equal(await client.crons.count({ threadId }), 1);
    if (client.crons.update) {
      assert.equal((await client.crons.update(cron.cron_id, { enabled: false })).enabled, false);
    }
    await client.crons.delete(cron.cron_id);
    await client.crons.delete(threaded.cron_id);
  });
});

describe("store", () => {
  test("putItem, getItem, searchItems, listNamespaces, deleteItem", async () => {
    const root = randomUUID();
    await client.store.putItem([root, "a"], "k", { n: 1 }, { ttl: 60 });
    const found = await client.store.getItem([root, "a"], "k");
    const hits = await client.store.searchItems([root], { filter: { n: 1 } });
    const names = await client.store.listNamespaces({ prefix: [root] });
    await client.store.deleteItem([root, "a"], "k");
    assert.deepEqual([found.value, hits.items.length, names.namespaces], [{ n: 1 }, 1, [[root, "a"]]]);
  });
});

describe("completeness", () => {
  test("every public method was called", () => {
    const missing = [];
    for (const group of GROUPS) {
      const prototype = Object.getPrototypeOf(bare[group]);
      for (const name of Object.getOwnPropertyNames(prototype)) {
        if (name === "constructor" || name.startsWith("_")) continue;
        if (!called.has(`${group}.${name}`)) missing.push(`${group}.${name}`);
      }
    }
    assert.deepEqual(missing, []);
  });
});

// Open streams of the SDK would keep the process alive.
after(() => setImmediate(() => process.exit(process.exitCode ?? 0)));
