// What the agent's engine does with connections that are gone before it accepts them, and with accepts that fail: neither takes
// anything from anybody else, or leaves anything behind.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Peer } from "../harness/peer.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startSayingBackend } from "../harness/saying-backend.ts";
import { routeUid, settingsObject } from "../harness/table-objects.ts";
import { type RelayProcess, type RelayProcessOptions, startRelayProcess } from "./node-relay-process.ts";
import { expectBalanced, helloFor, routeTo } from "./suite/fixture.ts";

const name = "app.example.test";

async function startEdge(options: RelayProcessOptions): Promise<RelayProcess> {
  const stack = new AsyncDisposableStack();
  onTestFinished(() => stack.disposeAsync());
  const backend = stack.use(await startSayingBackend("in"));
  const relay = stack.use(await startRelayProcess(options));
  const objects = [settingsObject(), routeTo(name, backend)];
  expect(await relay.ask("apply", { snapshot: true, objects, removals: [] })).toEqual([]);
  return relay;
}

async function hello(relay: RelayProcess): Promise<Peer> {
  const client = await connectRaw(relay.listener);
  client.send(helloFor(name));
  return client;
}

async function expectServed(client: Peer): Promise<void> {
  expect(await client.over()).toBe("fin");
  expect(client.received().toString()).toBe("in");
  client.end();
}

function descriptors({ pid }: RelayProcess): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** "T": stopped (proc(5), /proc/pid/stat). */
function threadStates({ pid }: RelayProcess): Set<string> {
  const tasks = `/proc/${pid}/task`;
  const stats = readdirSync(tasks).map((thread) => readFileSync(`${tasks}/${thread}/stat`, "latin1"));
  // The name before it is in parentheses, and may hold any character.
  return new Set(stats.map((stat) => stat.charAt(stat.lastIndexOf(")") + 2)));
}

/** All that it has accepted were served, every one of them is over, and nobody was complained about. */
async function expectOnlyServed(relay: RelayProcess, count: number): Promise<void> {
  await expect
    .poll(async () => {
      const counters = await relay.ask("counters", null);
      expectBalanced(counters);
      const { accepted, undecided, routes } = counters;
      return { accepted, undecided, keys: routes.size, closed: routes.get(routeUid(name))?.closed };
    })
    .toEqual({ accepted: count, undecided: 0, keys: 1, closed: { backend_closed: count } });
}

test.each([1, 4])(
  "passes over clients that were reset before it accepted them, and serves those who waited among them: %i worker(s)",
  { timeout: 60_000 },
  async (workers) => {
    const relay = await startEdge({ workers });
    const visits = 20 * workers;
    for (let i = 0; i < visits; i++) await expectServed(await hello(relay));
    let served = visits;
    await expectOnlyServed(relay, served);
    const before = descriptors(relay);
    for (let round = 0; round < 3; round++) {
      // Until it goes on the kernel alone answers: clients are connected, and wait to be accepted.
      process.kill(relay.pid, "SIGSTOP");
      await expect.poll(() => threadStates(relay)).toEqual(new Set(["T"]));
      const waiting: Peer[] = [];
      try {
        for (let i = 0; i < 100; i++) {
          const [silent, waits, spoke] = [await connectRaw(relay.listener), await hello(relay), await hello(relay)];
          waiting.push(waits);
          silent.reset();
          spoke.reset();
          await Promise.all([silent.closed(), spoke.closed()]);
        }
      } finally {
        process.kill(relay.pid, "SIGCONT");
      }
      await Promise.all(waiting.map(expectServed));
      served += waiting.length;
      await expectOnlyServed(relay, served);
    }
    await expect.poll(() => descriptors(relay)).toBe(before);
    expect(await relay.ask("logged", null)).toEqual([]);
  },
);

/**
 * Starts what follows it, and lets every third accept of a thread fail: nothing but the system does so, and strace says it in its place,
 * and what it said in the log. -D: the engine stays our child.
 */
function failingAccepts(code: string, log: string): string[] {
  const inject = `inject=accept4:error=${code}:when=2+3`;
  return ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", log, "-e", "trace=accept4", "-e", inject];
}

test.each([
  // A connection that was given up while it waited, in the words of the two ways in which systems say so.
  "ECONNABORTED",
  "EPROTO",
  // What was wrong with the connection's network, or a filter refused it; the machine is short of memory (accept(2)).
  "ENETDOWN",
  "EPERM",
  "ENOBUFS",
  "ENOMEM",
])("goes on accepting when every third accept fails with %s", async (code) => {
  const directory = mkdtempSync(join(tmpdir(), "helloway-accept-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const log = join(directory, "strace.log");
  const relay = await startEdge({ workers: 1, within: failingAccepts(code, log) });
  const before = descriptors(relay);
  await Promise.all(Array.from({ length: 60 }, async () => expectServed(await hello(relay))));
  await expectOnlyServed(relay, 60);
  await expect.poll(() => descriptors(relay)).toBe(before);
  const failed = readFileSync(log, "utf8").match(new RegExp(`= -1 ${code} .*INJECTED`, "g"));
  expect(failed?.length).toBeGreaterThanOrEqual(20);
});
