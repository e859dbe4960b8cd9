// Where an engine accepts: any number of addresses and ports, both families side by side.
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { connectRaw } from "../../harness/raw-client.ts";
import { startSayingBackend } from "../../harness/saying-backend.ts";
import { refusingPort } from "../../harness/tcp-backend.ts";
import { type Engine, helloFor, type MakeRelay, useEngines } from "./fixture.ts";
import { outcome } from "./outcome.ts";

const name = "app.example.test";

async function askAt(address: string, port: number): Promise<string> {
  const client = await connectRaw({ address, port });
  client.send(helloFor(name));
  return await outcome(client);
}

async function listenersSeen(engine: Engine, count: number): Promise<string[]> {
  await expect.poll(() => engine.records.length).toBe(count);
  return engine.records.map(({ listener }) => listener);
}

export function defineListeners(makeRelay: MakeRelay): void {
  describe("listeners", () => {
    const start = useEngines(makeRelay);

    test("accept on every address and port they were given, and say which in the record", async () => {
      await using backend = await startSayingBackend("in");
      const engine = await start({
        listen: [
          { address: "127.0.0.1", port: 0 },
          { address: "127.0.0.1", port: 0 },
          { address: "127.0.0.2", port: 0 },
          { address: "::1", port: 0 },
        ],
      });
      await engine.serveOne(name, backend);
      const { listeners } = engine.relay;
      expect(listeners.map(({ address }) => address)).toEqual(["127.0.0.1", "127.0.0.1", "127.0.0.2", "::1"]);
      expect(new Set(listeners.map(({ port }) => port)).size).toBeGreaterThan(1);
      for (const { address, port } of listeners) {
        for (let i = 0; i < 4; i++) expect(await askAt(address, port)).toBe("in");
      }
      const seen = await listenersSeen(engine, 16);
      const texts = listeners.map(({ address, port }) => (address === "::1" ? `[::1]:${port}` : `${address}:${port}`));
      for (const text of texts) expect(seen.filter((each) => each === text).length).toBe(4);
    });

    test("of both families share a port, and an IPv4 client is an IPv4 client", async () => {
      await using backend = await startSayingBackend("in");
      const port = await refusingPort();
      const engine = await start({
        listen: [
          { address: "0.0.0.0", port },
          { address: "::", port },
        ],
      });
      await engine.serveOne(name, backend);
      expect(engine.relay.listeners).toEqual([
        { address: "0.0.0.0", port },
        { address: "::", port },
      ]);
      expect(await askAt("127.0.0.1", port)).toBe("in");
      expect(await askAt("::1", port)).toBe("in");
      expect(await listenersSeen(engine, 2)).toEqual([`0.0.0.0:${port}`, `[::]:${port}`]);
      expect(engine.records.map(({ src }) => src)).toEqual(["127.0.0.1", "::1"]);
    });

    test("of IPv6 alone take no IPv4 clients", async () => {
      const engine = await start({ listen: [{ address: "::", port: 0 }] });
      await using backend = await startSayingBackend("in");
      await engine.serveOne(name, backend);
      const { port } = engine.relay.listeners[0]!;
      // Refused; or answered by another process, which may have the same port for IPv4 while this one has it for IPv6.
      await Promise.race([askAt("127.0.0.1", port).catch(() => "refused"), setTimeout(1_000)]);
      expect(await askAt("::1", port)).toBe("in");
      await expect.poll(() => engine.records.length).toBeGreaterThan(0);
      expect((await engine.relay.counters()).accepted).toBe(1);
      expect(engine.records.map(({ src }) => src)).toEqual(["::1"]);
    });
  });
}
