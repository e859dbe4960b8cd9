// How connections are refused, and how many may wait to be.
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import type { Peer } from "../../harness/peer.ts";
import { connectRaw } from "../../harness/raw-client.ts";
import { barrierObject, defaultRoute, routeObject, settingsObject } from "../../harness/table-objects.ts";
import { refusingPort, startTcpBackend } from "../../harness/tcp-backend.ts";
import { alpn, clientHello, record, serverName } from "../../vectors/hello-bytes.ts";
import {
  alertBytes,
  backendFields,
  expectRefusal,
  helloFor,
  type MakeRelay,
  useEngines,
  useOneEngine,
} from "./fixture.ts";

const name = "app.example.test";
const SOURCE_UNDECIDED_MAX = 256;
const DISCARD_BYTES_MAX = 256 * 1024;

export function defineRefusals(makeRelay: MakeRelay): void {
  describe("refusals", () => {
    const start = useOneEngine(makeRelay);
    const startFresh = useEngines(makeRelay);

    test("refuses with internal_error until it has a table", async () => {
      const engine = await startFresh();
      expect(engine.relay.serving()).toBe(false);
      await expectRefusal(await engine.hello(name), alerts.internalError);
      await engine.closes("-", { no_table: 1 });
      await engine.serve();
      expect(engine.relay.serving()).toBe(true);
      await expectRefusal(await engine.hello(name), alerts.unrecognizedName);
      await engine.closes("-", { no_table: 1, no_route: 1 });
    });

    test("delivers the alert to a client that has sent 64 KiB beyond its hello", async () => {
      const engine = await start();
      await engine.serve();
      const client = await engine.connect();
      const sent = Buffer.concat([helloFor(name), randomBytes(64 * 1024)]);
      client.send(sent);
      expect(await client.over()).toBe("fin");
      expect(client.received()).toEqual(alertBytes(alerts.unrecognizedName));
      client.end();
      await engine.closes("-", { no_route: 1 });
      expect(await engine.route("-")).toMatchObject({ rxBytes: sent.length, txBytes: 7 });
    });

    test("stops reading a refused client that sends without end", async () => {
      const engine = await start();
      await engine.serve();
      const client = await engine.connect();
      client.send(Buffer.concat([helloFor(name), randomBytes(4 * DISCARD_BYTES_MAX)]));
      await engine.closes("-", { no_route: 1 });
      const { rxBytes } = (await engine.route("-"))!;
      expect(rxBytes).toBeGreaterThan(DISCARD_BYTES_MAX);
      expect(rxBytes).toBeLessThan(2 * DISCARD_BYTES_MAX);
      client.socket.destroy();
    });

    test("closes a refused client that keeps its side open", async () => {
      const engine = await start();
      await engine.serve();
      const client = await engine.hello(name);
      expect(await client.over()).toBe("fin");
      await engine.closes("-", { no_route: 1 });
      expect(engine.records[0]!.durationMs).toBeGreaterThanOrEqual(999);
      client.end();
    });

    test("refuses a client that has already sent its FIN, with the alert", async () => {
      const engine = await start();
      await engine.serve();
      const client = await engine.connect();
      client.end(helloFor(name));
      expect(await client.over()).toBe("fin");
      expect(client.received()).toEqual(alertBytes(alerts.unrecognizedName));
      await engine.closes("-", { no_route: 1 });
    });

    test("says nothing to a client that resets before its hello is complete", async () => {
      const engine = await start();
      await engine.serve();
      const client = await engine.connect();
      client.send(helloFor(name).subarray(0, 20));
      await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(1);
      client.reset();
      await engine.closes("-", { client_gone: 1 });
      expect((await engine.route("-"))!.txBytes).toBe(0);
    });

    test("gives every hello one absolute deadline that dripping does not move", async () => {
      const engine = await start();
      await engine.serve(settingsObject({ hello: { timeoutMs: 300, bytesMax: 32_768 } }));
      const client = await engine.connect();
      const hello = helloFor(name);
      let sent = 0;
      const drip = setInterval(() => client.send(hello.subarray(sent, ++sent)), 20);
      expect(await client.over().finally(() => clearInterval(drip))).toBeTruthy();
      expect(sent).toBeLessThan(hello.length);
      expect(client.receivedBytes).toBe(0);
      await engine.closes("-", { hello_timeout: 1 });
      client.end();
    });

    test("refuses a hello over the pool's own cap as too large", async () => {
      const engine = await start();
      await engine.serve(settingsObject({ hello: { timeoutMs: 5_000, bytesMax: 60 } }));
      await expectRefusal(await engine.hello(name), alerts.decodeError);
      await engine.closes("-", { hello_too_large: 1 });
    });

    test("answers internal_error when no backend can be reached", async () => {
      const engine = await start();
      const port = await refusingPort();
      await engine.serve(settingsObject({ unmatched: defaultRoute("@unmatched", [{ host: "127.0.0.1", port }]) }));
      await expectRefusal(await engine.hello(name), alerts.internalError);
      await engine.closes("@unmatched", { connect_failed: 1 });
    });

    test("serves a hello without a name by the noSni default, and an unregistered name by the unmatched one", async () => {
      await using unnamed = await startTcpBackend();
      await using unmatched = await startTcpBackend();
      const engine = await start();
      await engine.serve(
        settingsObject({
          noSni: defaultRoute("@noSni", [backendFields(unnamed)]),
          unmatched: defaultRoute("@unmatched", [backendFields(unmatched)]),
        }),
      );
      const hellos = [
        Buffer.from(record(clientHello())),
        Buffer.from(record(clientHello({ extensions: [serverName("")] }))),
        helloFor("nobody.example.test"),
      ];
      for (const hello of hellos) {
        const client = await engine.connect();
        client.send(hello);
        const upstream = await (hello === hellos[2] ? unmatched : unnamed).next();
        expect(await upstream.bytes(hello.length)).toEqual(hello);
        client.end();
        expect(await upstream.over()).toBe("fin");
        upstream.end();
        await client.over();
      }
      await engine.closes("@noSni", { client_closed: 2 });
      await engine.closes("@unmatched", { client_closed: 1 });
      // Workers hand their records over side by side.
      expect(engine.records.map(({ route }) => route).sort()).toEqual(["@noSni", "@noSni", "@unmatched"]);
    });

    test("never gives a default an unmatchable name, a barrier, or a hello that offers acme-tls/1", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      const backends = [backendFields(backend)];
      await engine.serve(
        settingsObject({ noSni: defaultRoute("@noSni", backends), unmatched: defaultRoute("@unmatched", backends) }),
        barrierObject("barred.example.test", true),
      );
      await expectRefusal(await engine.hello("x.barred.example.test"), alerts.unrecognizedName);
      await expectRefusal(await engine.hello("192.0.2.1"), alerts.unrecognizedName);
      await expectRefusal(await engine.hello("a..b"), alerts.unrecognizedName);
      const acme = await engine.connect();
      acme.send(record(clientHello({ extensions: [serverName("new.example.test"), alpn("acme-tls/1")] })));
      await expectRefusal(acme, alerts.unrecognizedName);
      const unnamed = await engine.connect();
      unnamed.send(record(clientHello({ extensions: [alpn("h2", "acme-tls/1")] })));
      await expectRefusal(unnamed, alerts.missingExtension);
      await engine.closes("-", { no_route: 4, no_sni: 1 });
      expect(backend.count).toBe(0);
    });

    test("gives a newcomer the place of its source's oldest when the source waits too often", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const waiting: Peer[] = [];
      const isUndecided = async (count: number): Promise<void> => {
        await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(count);
      };
      // The oldest is whoever was accepted first, and workers accept side by side.
      waiting.push(await engine.connect());
      await isUndecided(1);
      while (waiting.length < SOURCE_UNDECIDED_MAX) waiting.push(await engine.connect());
      await isUndecided(SOURCE_UNDECIDED_MAX);
      // One that is decided at once may be gone from the budget before another worker has let go of anybody.
      const newcomer = await engine.connect();
      await expectRefusal(waiting[0]!, alerts.internalError);
      await engine.closes("-", { overloaded: 1 });
      newcomer.send(helloFor(name));
      const upstream = await backend.next();
      expect(waiting.slice(1).every((each) => each.ended === null)).toBe(true);
      for (const peer of waiting) peer.socket.destroy();
      newcomer.end();
      upstream.end();
      await engine.closes("-", { overloaded: 1, client_gone: SOURCE_UNDECIDED_MAX - 1 });
    });

    test("takes the place of its oldest from a source whose hellos hold too many bytes, and serves others", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serve(
        settingsObject({ hello: { timeoutMs: 60_000, bytesMax: 32_768 } }),
        routeObject(name, { hostnames: [name], backends: [backendFields(backend)] }),
      );
      // Most of a hello of 32,000 bytes; all of them together are 7.6 MiB.
      const part = Buffer.concat([
        Buffer.from("160301400001007d00", "hex"),
        Buffer.alloc(16_380),
        Buffer.from("1603013a98", "hex"),
        Buffer.alloc(15_000),
      ]);
      const holding: Peer[] = [];
      const hold = async (): Promise<void> => {
        const client = await engine.connect();
        client.send(part);
        holding.push(client);
      };
      const accepted = async (): Promise<number> => (await engine.relay.counters()).accepted;
      const before = await accepted();
      const allCame = async (): Promise<void> => {
        await expect.poll(async () => (await accepted()) - before).toBe(holding.length);
      };
      // The oldest is whoever was accepted first, the newest whoever was last, and workers accept side by side.
      await hold();
      await allCame();
      while (holding.length < SOURCE_UNDECIDED_MAX - 2) await hold();
      await allCame();
      await hold();
      await expect.poll(() => holding[0]!.ended).not.toBe(null);
      expect(holding.at(-1)!.ended).toBe(null);
      const other = await connectRaw(engine.ipv6);
      other.send(helloFor(name));
      const upstream = await backend.next();
      await upstream.bytes(helloFor(name).length);
      for (const peer of [...holding, other, upstream]) peer.socket.destroy();
      await expect.poll(() => engine.records.length).toBe(holding.length + 1);
      const closed = (await engine.route("-"))!.closed;
      expect(closed.overloaded).toBeGreaterThan(0);
      expect((closed.overloaded ?? 0) + (closed.client_gone ?? 0)).toBe(holding.length);
    });

    test("counts refused clients that linger against their source", async () => {
      const engine = await start();
      await engine.serve();
      const lingering: Peer[] = [];
      for (let i = 0; i < SOURCE_UNDECIDED_MAX + 40; i++) lingering.push(await engine.hello(name));
      const counters = await engine.relay.counters();
      expect(counters.undecided).toBeLessThanOrEqual(SOURCE_UNDECIDED_MAX);
      await Promise.all(lingering.map((each) => each.over()));
      for (const peer of lingering) peer.socket.destroy();
      await engine.closes("-", { no_route: lingering.length });
    });

    test("records what a client said in printable ASCII", async () => {
      const engine = await start();
      await engine.serve();
      await expectRefusal(await engine.hello("\x1b[31m\\app\xff"), alerts.unrecognizedName);
      await expect.poll(() => engine.records.length).toBe(1);
      expect(engine.records[0]?.sni).toBe("\\x1b[31m\\x5capp\\xff");
    });

    test("counts every byte it read and wrote for a refused client", async () => {
      const engine = await start();
      await engine.serve();
      const hello = helloFor(name);
      const many = 50;
      const clients = await Promise.all(Array.from({ length: many }, () => engine.hello(name)));
      await Promise.all(clients.map((each) => expectRefusal(each, alerts.unrecognizedName)));
      await engine.closes("-", { no_route: many });
      expect(await engine.route("-")).toMatchObject({ rxBytes: many * hello.length, txBytes: many * 7 });
    });
  });
}
