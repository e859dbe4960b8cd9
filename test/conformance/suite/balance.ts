// Which backend of a tier a connection goes to. What a balance depends on is the edge's: four workers balance as one does.
import { describe, expect, test } from "vitest";
import { Balance } from "@helloway/proto/table";
import { connectRaw } from "../../harness/raw-client.ts";
import type { Peer } from "../../harness/peer.ts";
import { startSayingBackend } from "../../harness/saying-backend.ts";
import { type BackendFields, routeObject } from "../../harness/table-objects.ts";
import { refusingPort, type TcpBackend } from "../../harness/tcp-backend.ts";
import { backendFields, type Engine, helloFor, type MakeRelay, useOneEngine } from "./fixture.ts";
import { ask, firstWord, outcome } from "./outcome.ts";

const name = "app.example.test";

/** Backends that say "0", "1", ... */
class Tier implements AsyncDisposable {
  readonly backends: readonly TcpBackend[];

  private constructor(backends: readonly TcpBackend[]) {
    this.backends = backends;
  }

  static async start(count: number, then: "close" | "stay" = "close"): Promise<Tier> {
    return new Tier(await Promise.all(Array.from({ length: count }, (_, i) => startSayingBackend(`${i}`, then))));
  }

  fields(weights: readonly number[] = []): BackendFields[] {
    return this.backends.map((each, i) => ({ ...backendFields(each), weight: weights[i] ?? 1 }));
  }

  get counts(): number[] {
    return this.backends.map(({ count }) => count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.backends.map((each) => each[Symbol.asyncDispose]()));
  }
}

function route(balance: Balance, backends: BackendFields[]) {
  return routeObject(name, { hostnames: [name], balance, backends });
}

/** A connection that stays, and the backend that has it. */
async function hold(engine: Engine): Promise<{ client: Peer; backend: number }> {
  const client = await engine.hello(name);
  return { client, backend: Number(await firstWord(client)) };
}

/** Ends them, and waits until the engine knows. */
async function release(engine: Engine, clients: readonly Peer[]): Promise<void> {
  const active = async (): Promise<number> => {
    const { opened, closed } = (await engine.route(name))!;
    return opened - Object.values(closed).reduce((sum, each) => sum + each, 0);
  };
  const before = await active();
  for (const client of clients) client.end();
  await Promise.all(clients.map((each) => each.over()));
  await expect.poll(active).toBe(before - clients.length);
}

const sources = Array.from({ length: 48 }, (_, i) => `127.0.1.${i + 1}`);

async function bySource(engine: Engine): Promise<string[]> {
  return await Promise.all(sources.map((source) => ask(engine, name, source)));
}

export function defineBalance(makeRelay: MakeRelay): void {
  describe("balance", () => {
    const start = useOneEngine(makeRelay);

    test("roundRobin gives every backend exactly its weight in a period, also of connections that come at once", async () => {
      await using tier = await Tier.start(3);
      const engine = await start();
      await engine.serve(route(Balance.ROUND_ROBIN, tier.fields([5, 3, 2])));
      for (let i = 0; i < 5; i++) {
        await Promise.all(Array.from({ length: 20 }, () => ask(engine, name)));
        expect(tier.counts).toEqual([10 * (i + 1), 6 * (i + 1), 4 * (i + 1)]);
      }
      await engine.closes(name, { backend_closed: 100 });
    });

    test("roundRobin mixes weights instead of serving one backend many times in a row", async () => {
      await using tier = await Tier.start(2);
      const engine = await start();
      await engine.serve(route(Balance.ROUND_ROBIN, tier.fields([3, 2])));
      let words = "";
      for (let i = 0; i < 20; i++) words += await ask(engine, name);
      expect(words).not.toMatch(/000|11/);
      expect(tier.counts).toEqual([12, 8]);
    });

    test("leastConnections goes to the backend with the fewest connections for its weight", async () => {
      await using tier = await Tier.start(3, "stay");
      const engine = await start();
      await engine.serve(route(Balance.LEAST_CONNECTIONS, tier.fields([1, 2, 3])));
      const held: { client: Peer; backend: number }[] = [];
      for (let i = 0; i < 12; i++) held.push(await hold(engine));
      expect(tier.counts).toEqual([2, 4, 6]);
      const ofLast = held.filter(({ backend }) => backend === 2).map(({ client }) => client);
      await release(engine, ofLast);
      for (let i = 0; i < 6; i++) held.push(await hold(engine));
      expect(tier.counts).toEqual([2, 4, 12]);
      await release(
        engine,
        held.map(({ client }) => client).filter((each) => !ofLast.includes(each)),
      );
    });

    test.each([
      ["which was alone", (tier: Tier) => route(Balance.LEAST_CONNECTIONS, tier.fields().slice(0, 1))],
      ["in turn", (tier: Tier) => route(Balance.ROUND_ROBIN, tier.fields().slice(0, 1))],
      ["by source", (tier: Tier) => route(Balance.SOURCE_HASH, tier.fields().slice(0, 1))],
    ])(
      "leastConnections counts those that a backend was given %s before the route was edited",
      async (_what, before) => {
        await using tier = await Tier.start(2, "stay");
        const engine = await start();
        await engine.serve(before(tier));
        const clients: Peer[] = [];
        for (let i = 0; i < 6; i++) clients.push((await hold(engine)).client);
        await engine.edit(route(Balance.LEAST_CONNECTIONS, tier.fields()));
        for (let i = 0; i < 6; i++) clients.push((await hold(engine)).client);
        expect(tier.counts).toEqual([6, 6]);
        // What was counted late is given back, too.
        await release(engine, clients.splice(0, 6));
        for (let i = 0; i < 6; i++) clients.push((await hold(engine)).client);
        expect(tier.counts).toEqual([12, 6]);
        await release(engine, clients);
      },
    );

    test("random goes to the less loaded of two, so that no backend is far from the others", async () => {
      await using tier = await Tier.start(4, "stay");
      const engine = await start();
      await engine.serve(route(Balance.RANDOM, tier.fields()));
      const clients: Peer[] = [];
      for (let i = 0; i < 80; i++) clients.push((await hold(engine)).client);
      // Of two choices the fullest has a few more than the mean; one choice would leave tens between them.
      for (const count of tier.counts) expect(Math.abs(count - 20)).toBeLessThanOrEqual(6);
      await release(engine, clients);
    });

    test("random gives the heavier backend as many more connections", async () => {
      await using tier = await Tier.start(3, "stay");
      const engine = await start();
      await engine.serve(route(Balance.RANDOM, tier.fields([6, 1, 1])));
      const clients: Peer[] = [];
      for (let i = 0; i < 80; i++) clients.push((await hold(engine)).client);
      // By weight 60, 10 and 10; without weights 27 each.
      expect(Math.abs(tier.counts[0]! - 60)).toBeLessThanOrEqual(10);
      await release(engine, clients);
    });

    test("sourceHash gives the heavier backend as many more sources", async () => {
      await using tier = await Tier.start(2);
      const engine = await start();
      await engine.serve(route(Balance.SOURCE_HASH, tier.fields([3, 1])));
      for (let i = 0; i < 400; i++) await ask(engine, name, `127.0.${2 + (i >> 7)}.${1 + (i & 127)}`);
      // By weight 300 of 400; without weights 200. Five standard deviations lie between them and 250.
      expect(tier.counts[0]).toBeGreaterThan(250);
      expect(tier.counts[0]).toBeLessThan(350);
    });

    test("sourceHash sends a source to the same backend, whatever is edited elsewhere, and spreads the sources", async () => {
      await using tier = await Tier.start(4);
      const engine = await start();
      await engine.serve(route(Balance.SOURCE_HASH, tier.fields()));
      const chosen = await bySource(engine);
      expect(new Set(chosen).size).toBe(4);
      expect(await bySource(engine)).toEqual(chosen);
      const elsewhere = { hostnames: ["other.example.test"], backends: tier.fields() };
      await engine.edit(routeObject("other", elsewhere));
      expect(await bySource(engine)).toEqual(chosen);
      // In another order they are the same backends.
      await engine.edit(route(Balance.SOURCE_HASH, tier.fields().toReversed()));
      expect(await bySource(engine)).toEqual(chosen);
    });

    test("sourceHash moves only those sources whose backend is gone", async () => {
      await using tier = await Tier.start(4);
      const engine = await start();
      await engine.serve(route(Balance.SOURCE_HASH, tier.fields()));
      const before = await bySource(engine);
      await engine.edit(route(Balance.SOURCE_HASH, tier.fields().slice(0, 3)));
      const after = await bySource(engine);
      expect(after).not.toContain("3");
      for (const [i, backend] of before.entries()) if (backend !== "3") expect(after[i]).toBe(backend);
    });

    test("sourceHash takes IPv6 clients by their own address", async () => {
      await using tier = await Tier.start(4);
      const engine = await start();
      await engine.serve(route(Balance.SOURCE_HASH, tier.fields()));
      const words = new Set<string>();
      for (let i = 0; i < 8; i++) {
        const client = await connectRaw(engine.ipv6);
        client.send(helloFor(name));
        words.add(await outcome(client));
      }
      expect(words.size).toBe(1);
    });

    test.each([
      ["roundRobin", Balance.ROUND_ROBIN],
      ["leastConnections", Balance.LEAST_CONNECTIONS],
      ["random", Balance.RANDOM],
      ["sourceHash", Balance.SOURCE_HASH],
    ])("%s leaves a tier only for the next one, when no backend of it can be reached", async (_name, balance) => {
      await using tier = await Tier.start(2);
      const engine = await start();
      const [first, spare] = tier.fields();
      const dead = { host: "127.0.0.1", port: await refusingPort() };
      await engine.serve(route(balance, [dead, first!, { ...spare!, priority: 1 }]));
      for (const source of sources.slice(0, 12)) expect(await ask(engine, name, source)).toBe("0");
      await engine.edit(route(balance, [dead, { ...spare!, priority: 1 }]));
      for (const source of sources.slice(0, 4)) expect(await ask(engine, name, source)).toBe("1");
      expect(tier.counts).toEqual([12, 4]);
    });
  });
}
