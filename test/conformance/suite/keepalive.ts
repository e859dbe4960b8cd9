// What the kernel does for connections that say nothing for long: both ends of them are probed. It takes a minute to see.
import { describe, expect, test } from "vitest";
import { startTcpBackend } from "../../harness/tcp-backend.ts";
import { helloFor, type MakeRelay, useEngines } from "./fixture.ts";
import { timerOf } from "./tcp-timer.ts";

const name = "app.example.test";
const KEEP_ALIVE_MS = 60_000;
/** Beyond the minute, for a busy machine. */
const GRACE_MS = 30_000;

export function defineKeepAlive(makeRelay: MakeRelay): void {
  describe("keepalive", () => {
    const start = useEngines(makeRelay);

    test("probes both ends of a connection that is older than a minute, quiet, half-closed or talking", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { timeouts: { halfClosedMs: 10 * KEEP_ALIVE_MS } });
      const helloBytes = helloFor(name).length;
      const pair = async () => {
        const client = await engine.hello(name);
        const upstream = await backend.next();
        await upstream.bytes(helloBytes);
        return { client, upstream };
      };
      const quiet = await pair();
      const halfClosed = await pair();
      halfClosed.client.end();
      expect(await halfClosed.upstream.over()).toBe("fin");
      const talking = await pair();
      const talk = setInterval(() => {
        talking.client.send("still");
        talking.upstream.send("here");
      }, 500);
      try {
        for (const { client, upstream } of [quiet, halfClosed, talking]) {
          const isProbed = (own: number, peer: number): boolean => {
            const timer = timerOf(own, peer);
            return timer?.kind === "keepalive" && timer.dueMs <= KEEP_ALIVE_MS;
          };
          const within = { timeout: KEEP_ALIVE_MS + GRACE_MS, interval: 250 };
          await expect.poll(() => isProbed(engine.ipv4.port, client.socket.localPort!), within).toBe(true);
          await expect.poll(() => isProbed(upstream.socket.remotePort!, backend.port), within).toBe(true);
        }
      } finally {
        clearInterval(talk);
      }
      expect((await engine.route(name))?.closed).toEqual({});
    });
  });
}
