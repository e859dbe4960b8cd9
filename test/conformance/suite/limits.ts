// Limits of a route hold for the edge, exactly, however many workers there are: what is over one is refused, or only counted.
import { describe, expect, test } from "vitest";
import { LimitMode } from "@helloway/proto/table";
import type { Peer } from "../../harness/peer.ts";
import { startSayingBackend } from "../../harness/saying-backend.ts";
import type { RouteOptions } from "../../harness/table-objects.ts";
import { type TcpBackend, startTcpBackend } from "../../harness/tcp-backend.ts";
import { type Engine, helloFor, type MakeRelay, useEngines } from "./fixture.ts";
import { firstWord } from "./outcome.ts";

export const name = "app.example.test";
const REFUSED = "alert 50";

type Limits = Omit<NonNullable<RouteOptions["limits"]>, "mode">;

export function enforced(limits: Limits) {
  return { limits: { ...limits, mode: LimitMode.ENFORCE } };
}

export function observed(limits: Limits) {
  return { limits: { ...limits, mode: LimitMode.OBSERVE } };
}

export interface Wave {
  /** Whom the backend has answered; their connections are open. */
  admitted: Peer[];
  refused: number;
}

/** Clients that all come at once, from the addresses in turn. */
export async function wave(engine: Engine, count: number, ...from: string[]): Promise<Wave> {
  const admitted: Peer[] = [];
  let refused = 0;
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const client = await engine.hello(name, from[i % from.length]);
      const word = await firstWord(client);
      expect(["in", REFUSED]).toContain(word);
      if (word === "in") return admitted.push(client);
      client.end();
      refused++;
    }),
  );
  return { admitted, refused };
}

export async function leave(engine: Engine, clients: readonly Peer[], closed: number): Promise<void> {
  for (const client of clients) client.end();
  await Promise.all(clients.map((each) => each.over()));
  await expect.poll(async () => (await engine.route(name))?.closed.client_closed).toBe(closed);
}

export function defineLimits(makeRelay: MakeRelay): void {
  describe("limits", () => {
    const start = useEngines(makeRelay);

    test("lets in exactly as many connections at once as the limit says, and the next when one has ended", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(name, backend, enforced({ connections: 7 }));
      const first = await wave(engine, 40, "127.0.0.1", "127.0.0.2", "127.0.0.3");
      expect([first.admitted.length, first.refused]).toEqual([7, 33]);
      expect(backend.count).toBe(7);
      await leave(engine, first.admitted.slice(0, 3), 3);
      const second = await wave(engine, 20);
      expect([second.admitted.length, second.refused]).toEqual([3, 17]);
      await leave(engine, [...first.admitted.slice(3), ...second.admitted], 10);
      await engine.closes(name, { client_closed: 10, limited: 50 });
      expect((await engine.route(name))!.opened).toBe(60);
    });

    test("lets in exactly as many connections of each source at once as the limit says", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(name, backend, enforced({ connectionsPerSource: 4 }));
      const both = await wave(engine, 40, "127.0.0.2", "127.0.0.3");
      expect([both.admitted.length, both.refused]).toEqual([8, 32]);
      const other = await wave(engine, 10, "127.0.0.4");
      expect([other.admitted.length, other.refused]).toEqual([4, 6]);
      await leave(engine, both.admitted, 8);
      const again = await wave(engine, 10, "127.0.0.2");
      expect([again.admitted.length, again.refused]).toEqual([4, 6]);
      await leave(engine, [...other.admitted, ...again.admitted], 16);
      await engine.closes(name, { client_closed: 16, limited: 44 });
    });

    test.each([
      ["all sources together", { newPerSecond: 10 }, ["127.0.0.2", "127.0.0.3"], 10],
      ["each source", { newPerSecondPerSource: 10 }, ["127.0.0.2", "127.0.0.3"], 20],
    ])(
      "lets in of %s no more new ones than a second's worth and what time adds",
      async (_whose, limits, from, atOnce) => {
        await using backend = await startSayingBackend("in");
        const engine = await start();
        await engine.serveOne(name, backend, enforced(limits));
        const startedAt = performance.now();
        let admitted = 0;
        let refused = 0;
        // Until some were let in after others had been refused: time gives places back.
        while (refused === 0 || admitted <= atOnce) {
          const { admitted: some, refused: others } = await wave(engine, 40, ...from);
          for (const client of some) client.end();
          admitted += some.length;
          refused += others;
          expect(admitted).toBeGreaterThanOrEqual(atOnce);
          const seconds = (performance.now() - startedAt) / 1000;
          expect(admitted).toBeLessThanOrEqual(Math.floor(atOnce * (1 + seconds)));
        }
        await engine.closes(name, { backend_closed: admitted, limited: refused });
      },
    );

    test("takes nothing from one limit when another refuses", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(
        name,
        backend,
        enforced({ connections: 1, connectionsPerSource: 1, newPerSecond: 2, newPerSecondPerSource: 2 }),
      );
      const first = await wave(engine, 1, "127.0.0.2");
      expect((await wave(engine, 30, "127.0.0.2", "127.0.0.3")).refused).toBe(30);
      await leave(engine, first.admitted, 1);
      const second = await wave(engine, 1, "127.0.0.3");
      expect(second.admitted.length).toBe(1);
      await leave(engine, second.admitted, 2);
    });

    test("only counts what is over a limit while it observes", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(name, backend, observed({ connections: 3, connectionsPerSource: 2 }));
      // Two of each source: whichever come first, nobody is over the limit of a source.
      const sources = Array.from({ length: 5 }, (_, i) => `127.0.0.${i + 2}`);
      const { admitted, refused } = await wave(engine, 10, ...sources);
      expect([admitted.length, refused]).toEqual([10, 0]);
      expect(await engine.route(name)).toMatchObject({ opened: 10, closed: {}, overLimit: 7 });
      await leave(engine, admitted, 10);
      expect((await engine.route(name))!.overLimit).toBe(7);
      await leave(engine, (await wave(engine, 3, "127.0.0.2")).admitted, 13);
      expect((await engine.route(name))!.overLimit).toBe(8);
    });

    test("counts nobody over a limit while it enforces", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(name, backend, enforced({ connections: 1 }));
      const { admitted, refused } = await wave(engine, 5);
      expect(refused).toBe(4);
      expect((await engine.route(name))!.overLimit).toBe(0);
      await leave(engine, admitted, 1);
    });

    test("goes on counting whom it let in when the limits are edited, and holds new ones to the new limit", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(name, backend, enforced({ connections: 5 }));
      const first = await wave(engine, 5);
      await engine.serveOne(name, backend, enforced({ connections: 2 }));
      expect(first.admitted.every((each) => each.ended === null)).toBe(true);
      expect((await wave(engine, 10)).refused).toBe(10);
      await leave(engine, first.admitted.slice(0, 4), 4);
      const second = await wave(engine, 10);
      expect(second.admitted.length).toBe(1);
      await engine.serveOne(name, backend);
      const free = await wave(engine, 10);
      expect(free.admitted.length).toBe(10);
      await leave(engine, [...first.admitted.slice(4), ...second.admitted, ...free.admitted], 16);
      await engine.serveOne(name, backend, enforced({ connections: 2 }));
      const last = await wave(engine, 10);
      expect(last.admitted.length).toBe(2);
      await leave(engine, last.admitted, 18);
    });

    test("gives a place back however the connection ends", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      const limits = enforced({ connections: 1 });
      await engine.serveOne(name, backend, limits);
      const open = async (): Promise<{ client: Peer; upstream: Peer }> => {
        const client = await engine.hello(name);
        const upstream = await backend.next();
        await upstream.bytes(1);
        return { client, upstream };
      };
      const endings: [(pair: { client: Peer; upstream: Peer }) => unknown, string][] = [
        [({ client }) => client.reset(), "client_reset"],
        [({ upstream }) => upstream.reset(), "backend_reset"],
        [() => engine.relay.cut({}), "cut"],
        [() => undefined, "idle_timeout"],
      ];
      const closed: Record<string, number> = {};
      for (const [end, reason] of endings) {
        if (reason === "idle_timeout") await engine.serveOne(name, backend, { ...limits, timeouts: { idleMs: 200 } });
        const pair = await open();
        await end(pair);
        closed[reason] = 1;
        await engine.closes(name, closed);
        for (const { socket } of Object.values(pair)) socket.destroy();
      }
    });
  });

  describe("bytesPerSecond", () => {
    const start = useEngines(makeRelay);

    /** What may go through at once, and the read that goes through before it is paid for. */
    const BURST_BYTES = 2 * 65_536;

    /** One connection that carries bytes one way; its record. */
    async function carried(engine: Engine, backend: TcpBackend, way: "up" | "down", bytes: number) {
      const before = engine.records.length;
      const client = await engine.hello(name);
      const upstream = await backend.next();
      const helloBytes = helloFor(name).length;
      await upstream.bytes(helloBytes);
      if (way === "up") client.end(Buffer.alloc(bytes));
      else upstream.end(Buffer.alloc(bytes));
      await (way === "up" ? upstream.bytes(helloBytes + bytes) : client.bytes(bytes));
      await (way === "up" ? upstream : client).over();
      (way === "up" ? upstream : client).end();
      await expect.poll(() => engine.records.length).toBe(before + 1);
      return engine.records[before]!;
    }

    test.each(["up", "down"] as const)("holds each connection to the rate on the way %s", async (way) => {
      await using backend = await startTcpBackend();
      const engine = await start();
      const bytesPerSecond = 400_000;
      await engine.serveOne(name, backend, enforced({ bytesPerSecond: BigInt(bytesPerSecond) }));
      const bytes = 600_000;
      const { durationMs, reason, rx, tx } = await carried(engine, backend, way, bytes);
      expect(durationMs).toBeGreaterThanOrEqual(((bytes - BURST_BYTES) / bytesPerSecond) * 1000);
      expect(reason).toBe(way === "up" ? "client_closed" : "backend_closed");
      expect(way === "up" ? rx - helloFor(name).length : tx).toBe(bytes);
      expect((await engine.route(name))!.overLimit).toBe(0);
    });

    test("does not count the time for which it holds a connection as idle", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      // A whole read is four seconds' worth: a pause is longer than the idle time.
      const limits = enforced({ bytesPerSecond: 16_384n });
      await engine.serveOne(name, backend, { ...limits, timeouts: { idleMs: 3_000 } });
      expect(await carried(engine, backend, "down", 3 * 65_536)).toMatchObject({
        reason: "backend_closed",
        tx: 3 * 65_536,
      });
    });

    test("counts a connection that is over several limits once while it observes", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(
        name,
        backend,
        observed({ newPerSecond: 1, newPerSecondPerSource: 1, bytesPerSecond: 1_000n }),
      );
      for (let i = 0; i < 3; i++) await carried(engine, backend, "down", 1_000_000);
      expect(await engine.route(name)).toMatchObject({ opened: 3, overLimit: 3 });
    });

    test("only counts a connection that is faster while it observes", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend, observed({ bytesPerSecond: 1_000n }));
      // Held to the rate this would take more than an hour.
      const { tx } = await carried(engine, backend, "down", 4_000_000);
      expect(tx).toBe(4_000_000);
      expect((await engine.route(name))!.overLimit).toBe(1);
    });
  });
}
