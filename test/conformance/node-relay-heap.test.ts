// What the agent's engine does when one of its threads has no heap left: V8 ends that thread, and what it had is lost as it is with
// any dead worker; the process, and everybody else, goes on.
import { expect, onTestFinished, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import type { Peer } from "../harness/peer.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { routeUid, settingsObject } from "../harness/table-objects.ts";
import { startTcpBackend, type TcpBackend } from "../harness/tcp-backend.ts";
import { type RelayProcess, startRelayProcess } from "./node-relay-process.ts";
import { expectBalanced, expectRefusal, helloFor, routeTo } from "./suite/fixture.ts";

const name = "app.example.test";
/** Enough for a worker, and a fraction of what the many routes below take. */
const HEAP_MIB = 24;
const HELD = 40;

async function startEdge(workers: number): Promise<{ relay: RelayProcess; backend: TcpBackend }> {
  const stack = new AsyncDisposableStack();
  onTestFinished(() => stack.disposeAsync());
  const backend = stack.use(
    await startTcpBackend({
      onSocket(socket) {
        socket.on("error", () => socket.destroy());
        socket.pipe(socket);
      },
    }),
  );
  const relay = stack.use(await startRelayProcess({ workers, heapMib: HEAP_MIB }));
  const objects = [settingsObject(), routeTo(name, backend)];
  expect(await relay.ask("apply", { snapshot: true, objects, removals: [] })).toEqual([]);
  return { relay, backend };
}

async function hold(relay: RelayProcess, count: number): Promise<Peer[]> {
  return await Promise.all(
    Array.from({ length: count }, async () => {
      const client = await connectRaw(relay.listener);
      const hello = helloFor(name);
      client.send(hello);
      await client.bytes(hello.length);
      return client;
    }),
  );
}

async function echoes(client: Peer): Promise<void> {
  const before = client.receivedBytes;
  client.send("still there?");
  await client.bytes(before + 12);
}

async function closed(relay: RelayProcess): Promise<Record<string, number> | undefined> {
  const counters = await relay.ask("counters", null);
  expectBalanced(counters);
  return counters.routes.get(routeUid(name))?.closed;
}

async function replaced(relay: RelayProcess): Promise<number> {
  const logged = await relay.ask("logged", null);
  return logged.filter(({ message }) => message.startsWith("a worker has taken the place")).length;
}

test.each([1, 4])(
  "loses the connections of a worker that runs out of heap, says why it ended, and replaces it: %i worker(s)",
  async (workers) => {
    const { relay } = await startEdge(workers);
    let lost = 0;
    for (let round = 1; round <= 2; round++) {
      const held = await hold(relay, HELD);
      // The thread of a replacement is the next that was started.
      await relay.ask("exhaust", round === 1 ? 0 : workers);
      await expect.poll(async () => (await closed(relay))?.worker_lost ?? 0).toBeGreaterThan(lost);
      const lostNow = (await closed(relay))!.worker_lost! - lost;
      lost += lostNow;
      await expect.poll(() => held.filter(({ ended }) => ended !== null).length).toBe(lostNow);
      if (workers === 1) expect(lostNow).toBe(HELD);
      else expect(lostNow).toBeLessThan(HELD);
      const staying = held.filter(({ ended }) => ended === null);
      await Promise.all(staying.map(echoes));
      await expect.poll(() => replaced(relay)).toBe(round);
      for (const client of staying) client.end();
      await expect
        .poll(() => closed(relay))
        .toEqual({
          worker_lost: lost,
          ...(workers > 1 && { client_closed: round * HELD - lost }),
        });
    }
    const errors = (await relay.ask("logged", null)).filter(({ level }) => level === "error");
    expect(errors).toEqual(
      Array.from({ length: 2 }, () => ({
        level: "error",
        message: "a worker ended; its connections are lost",
        error: expect.stringMatching(/memory limit: JS heap out of memory/),
      })),
    );
    expect(await relay.ask("failed", null)).toBeNull();
    await Promise.all((await hold(relay, HELD)).map(echoes));
  },
);

test("does not take an update that is more than its workers' heaps, and serves the table before again", async () => {
  const { relay, backend } = await startEdge(2);
  const [held] = await hold(relay, 1);
  const objects = Array.from({ length: 200_000 }, (_, i) => routeTo(`n${i}.example.test`, backend));
  const update = relay.ask("apply", { snapshot: false, objects, removals: [] });
  // Whoever first takes the place of one of them is offered it once more.
  await expect(update).rejects.toThrow("every worker of the relay ended before it had taken an update");
  await held!.over();
  const isServed = async (): Promise<boolean> => {
    const served = await hold(relay, 1).catch(() => []);
    return served.length > 0;
  };
  await expect.poll(isServed).toBe(true);
  await Promise.all((await hold(relay, HELD)).map(echoes));
  const client = await connectRaw(relay.listener);
  client.send(helloFor("n1.example.test"));
  await expectRefusal(client, alerts.unrecognizedName);
  const added = routeTo("n1.example.test", backend);
  expect(await relay.ask("apply", { snapshot: false, objects: [added], removals: [] })).toEqual([]);
  expect((await closed(relay))?.worker_lost).toBe(1);
});
