// PROXY headers from a load balancer in front: on listeners set to them, from whom is trusted, and never guessed.
import { describe, expect, test } from "vitest";
import { Balance, LimitMode, ProxyProtocol } from "@helloway/proto/table";
import { alerts } from "@helloway/routing/alert";
import type { Peer } from "../../harness/peer.ts";
import { writeCountryFile } from "../../harness/country-file.ts";
import { type ProxyEnds, proxyLine, proxyV2, proxyV2WithCrc, readProxyV2 } from "../../harness/proxy-header.ts";
import { connectRaw } from "../../harness/raw-client.ts";
import { startSayingBackend } from "../../harness/saying-backend.ts";
import { routeObject, settingsObject } from "../../harness/table-objects.ts";
import { startTcpBackend } from "../../harness/tcp-backend.ts";
import { backendFields, type Engine, type EngineOptions, expectRefusal, helloFor } from "./fixture.ts";
import { type MakeRelay, routeTo, useEngines, useOneEngine } from "./fixture.ts";
import { firstWord, outcome, say } from "./outcome.ts";

const name = "app.example.test";

const behindProxy: EngineOptions = {
  listen: [
    { address: "127.0.0.1", port: 0, proxy: true },
    { address: "::1", port: 0, proxy: true },
    { address: "127.0.0.1", port: 0 },
  ],
  proxyTrusted: ["127.0.0.0/28", "::1/128"],
};

function from(source: string, sourcePort = 1_234): ProxyEnds {
  const destination = source.includes(":") ? "2001:db8::443" : "198.51.100.7";
  return { source, sourcePort, destination, destinationPort: 443 };
}

/** A client that comes from there, through a proxy. */
async function through(engine: Engine, ends: ProxyEnds, ...more: Uint8Array[]): Promise<Peer> {
  return await say(engine, Buffer.concat([proxyV2(ends), ...more]));
}

async function askFrom(engine: Engine, source: string): Promise<string> {
  return await outcome(await through(engine, from(source), helloFor(name)));
}

const ipv4 = from("192.0.2.7", 40_001);
const ipv6 = from("2001:db8::7", 40_002);
const mapped = { ...from("192.0.2.9", 40_003), source: "::ffff:192.0.2.9", destination: "::ffff:198.51.100.7" };

const signature = proxyV2("local").subarray(0, 12);

function lineOf(bytes: number): Buffer {
  const start = "PROXY UNKNOWN ";
  return Buffer.from(`${start.padEnd(bytes - 2, "x")}\r\n`);
}

const carrying: [string, Uint8Array, { src: string; sport: number } | null][] = [
  ["version 1, IPv4", Buffer.from(proxyLine(ipv4)), { src: "192.0.2.7", sport: 40_001 }],
  ["version 1, IPv6", Buffer.from(proxyLine(ipv6)), { src: "2001:db8::7", sport: 40_002 }],
  ["version 1, UNKNOWN", Buffer.from("PROXY UNKNOWN\r\n"), null],
  ["version 1, UNKNOWN with addresses", Buffer.from("PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n"), null],
  ["version 2, IPv4", proxyV2(ipv4), { src: "192.0.2.7", sport: 40_001 }],
  ["version 2, IPv6", proxyV2(ipv6), { src: "2001:db8::7", sport: 40_002 }],
  ["version 2, v4-mapped", proxyV2(mapped), { src: "192.0.2.9", sport: 40_003 }],
  ["version 2 with a right checksum", proxyV2WithCrc(ipv4), { src: "192.0.2.7", sport: 40_001 }],
  ["version 2 with a TLV", proxyV2(ipv4, [[0xea, Buffer.from("x")]]), { src: "192.0.2.7", sport: 40_001 }],
  ["version 1 of 107 bytes, the most", lineOf(107), null],
  ["version 2, LOCAL", proxyV2("local"), null],
  ["version 2, UNSPEC", Buffer.concat([signature, Buffer.of(0x21, 0x00, 0, 0)]), null],
];

const bad: [string, Uint8Array][] = [
  ["a hello without a header", helloFor(name)],
  ["garbage", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["a wrong family of addresses", Buffer.from("PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n")],
  ["a port that is none", Buffer.from("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n")],
  ["a line of 108 bytes", lineOf(108)],
  ["a line without an end", Buffer.from(`PROXY UNKNOWN ${"x".repeat(200)}`)],
  ["a signature with another end", Buffer.concat([signature.subarray(0, 11), Buffer.of(0x0b)])],
  ["another version", Buffer.concat([signature, Buffer.of(0x31, 0x11, 0, 12)])],
  ["too short for its addresses", Buffer.concat([signature, Buffer.of(0x21, 0x11, 0, 11)])],
  ["longer than 4,096 bytes", Buffer.concat([signature, Buffer.of(0x21, 0x11, 0x10, 0)])],
  ["a TLV that goes beyond it", Buffer.concat([proxyV2(ipv4, [[0xea, Buffer.alloc(2)]]).fill(9, 30, 31)])],
  ["a wrong checksum", proxyV2WithCrc(ipv4, true)],
];

export function defineProxyIn(makeRelay: MakeRelay): void {
  describe("PROXY headers from clients", () => {
    const start = useEngines(makeRelay);
    const startOne = useOneEngine(makeRelay);

    test.each(carrying)(
      "of %s say whose the connection is, and are no bytes of the client",
      async (_what, header, who) => {
        await using backend = await startTcpBackend();
        const engine = await startOne(behindProxy);
        await engine.serveOne(name, backend);
        const hello = helloFor(name);
        const client = await say(engine, Buffer.concat([header, hello]));
        const upstream = await backend.next();
        expect(await upstream.bytes(hello.length)).toEqual(hello);
        const own = { src: "127.0.0.1", sport: client.socket.localPort };
        client.end();
        expect(await upstream.over()).toBe("fin");
        upstream.end();
        expect(upstream.received()).toEqual(hello);
        await expect.poll(() => engine.records).toMatchObject([{ ...(who ?? own), rx: hello.length }]);
        await engine.closes(name, { client_closed: 1 });
        expect((await engine.route(name))!.rxBytes).toBe(hello.length);
      },
    );

    test.each(carrying)("of %s may come byte by byte", async (_what, header, who) => {
      await using backend = await startTcpBackend();
      const engine = await startOne(behindProxy);
      await engine.serveOne(name, backend);
      const hello = helloFor(name);
      const client = await engine.connect();
      for (const byte of Buffer.concat([header, hello])) {
        await new Promise<void>((resolve) => {
          client.socket.write(Uint8Array.of(byte), () => resolve());
        });
      }
      const upstream = await backend.next();
      expect(await upstream.bytes(hello.length)).toEqual(hello);
      client.reset();
      await upstream.over();
      await expect.poll(() => engine.records).toMatchObject([{ ...who, rx: hello.length, reason: "client_reset" }]);
    });

    test.each(bad)("end the connection without a byte when there is %s", async (_what, bytes) => {
      await using backend = await startTcpBackend();
      const engine = await startOne(behindProxy);
      await engine.serveOne(name, backend);
      await expectRefusal(await say(engine, bytes), null);
      await engine.closes("-", { bad_proxy_header: 1 });
      expect((await engine.route("-"))!.txBytes).toBe(0);
      expect(backend.count).toBe(0);
    });

    test("are read from nobody who is not trusted", async () => {
      await using backend = await startTcpBackend();
      const engine = await start(behindProxy);
      await engine.serveOne(name, backend);
      const stranger = await engine.connect("127.0.0.16");
      await expectRefusal(stranger, null);
      await engine.closes("-", { bad_proxy_header: 1 });
      expect((await engine.route("-"))!.rxBytes).toBe(0);
      expect(backend.count).toBe(0);
    });

    test("do not make one source of all who come through one proxy, however late they are", async () => {
      await using backend = await startSayingBackend("in");
      const engine = await start(behindProxy);
      await engine.serveOne(name, backend);
      // More than one source may have undecided.
      const clients = await Promise.all(Array.from({ length: 300 }, () => connectRaw(engine.relay.listeners[0]!)));
      await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(clients.length);
      for (const [i, client] of clients.entries()) {
        client.send(Buffer.concat([proxyV2(from(`192.0.${i >> 8}.${i & 255}`)), helloFor(name)]));
      }
      for (const client of clients) expect(await firstWord(client)).toBe("in");
    });

    test("are never guessed: on a listener without them they are no TLS", async () => {
      await using backend = await startTcpBackend();
      const engine = await start(behindProxy);
      await engine.serveOne(name, backend);
      const plain = engine.relay.listeners[2]!;
      for (const header of [proxyLine(ipv4), proxyV2(ipv4)]) {
        const client = await connectRaw(plain);
        client.send(Buffer.concat([Buffer.from(header), helloFor(name)]));
        await expectRefusal(client, null);
      }
      await engine.closes("-", { not_tls: 2 });
      const client = await connectRaw(plain);
      client.send(helloFor(name));
      await (await backend.next()).bytes(1);
      client.reset();
      await engine.closes(name, { client_reset: 1 });
    });

    test("of an IPv6 proxy are read on an IPv6 listener", async () => {
      await using backend = await startSayingBackend("in");
      const engine = await start(behindProxy);
      await engine.serveOne(name, backend);
      const client = await connectRaw(engine.ipv6);
      client.send(Buffer.concat([proxyV2(ipv4), helloFor(name)]));
      expect(await outcome(client)).toBe("in");
      await expect.poll(() => engine.records).toMatchObject([{ src: "192.0.2.7", sport: 40_001 }]);
    });

    test("have no deadline of their own but the hello's", async () => {
      const engine = await start(behindProxy);
      await engine.serve(settingsObject({ hello: { timeoutMs: 300, bytesMax: 32_768 } }));
      const silent = await engine.connect();
      const headerOnly = await say(engine, proxyV2(ipv4));
      const dripping = await engine.connect();
      const bytes = Buffer.concat([proxyV2(ipv4), helloFor(name)]);
      let sent = 0;
      const drip = setInterval(() => dripping.send(bytes.subarray(sent, ++sent)), 20);
      await dripping.over().finally(() => clearInterval(drip));
      expect(sent).toBeLessThan(bytes.length);
      for (const client of [silent, headerOnly, dripping]) {
        await client.over();
        expect(client.receivedBytes).toBe(0);
        client.end();
      }
      await engine.closes("-", { hello_timeout: 3 });
      for (const { durationMs } of engine.records) expect(durationMs).toBeGreaterThanOrEqual(299);
    });

    test("decide access, criteria, country and limits by the address that they carry", async () => {
      await using database = await writeCountryFile({ "203.0.113.0/24": "DE" });
      await using backend = await startSayingBackend("in", "stay");
      await using other = await startSayingBackend("special");
      const engine = await start({ ...behindProxy, geoDatabase: database.path });
      const limits = { connectionsPerSource: 1, mode: LimitMode.ENFORCE };
      await engine.serve(
        routeTo(name, backend, { access: { deny: ["192.0.2.0/24"] }, limits }),
        routeObject("source", {
          hostnames: [name],
          backends: [backendFields(other)],
          match: { sourceCidrs: ["198.51.100.0/24"] },
        }),
        routeObject("country", { hostnames: [name], backends: [backendFields(other)], match: { countries: ["DE"] } }),
      );
      expect(await askFrom(engine, "192.0.2.7")).toBe("alert 70");
      expect(await askFrom(engine, "198.51.100.200")).toBe("special");
      expect(await askFrom(engine, "203.0.113.200")).toBe("special");
      await engine.closes("source", { backend_closed: 1 });
      await engine.closes("country", { backend_closed: 1 });
      const inside = await through(engine, from("192.168.1.1"), helloFor(name));
      expect(await firstWord(inside)).toBe("in");
      await expectRefusal(await through(engine, from("192.168.1.1"), helloFor(name)), alerts.internalError);
      const another = await through(engine, from("192.168.1.2"), helloFor(name));
      expect(await firstWord(another)).toBe("in");
      for (const client of [inside, another]) client.end();
      await engine.closes(name, { denied: 1, limited: 1, client_closed: 2 });
    });

    test("count IPv6 sources by their /64", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start(behindProxy);
      await engine.serve(routeTo(name, backend, { limits: { connectionsPerSource: 2, mode: LimitMode.ENFORCE } }));
      const words = async (...sources: string[]): Promise<string[]> => {
        const said: string[] = [];
        for (const source of sources) said.push(await firstWord(await through(engine, from(source), helloFor(name))));
        return said;
      };
      expect(await words("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:1::3")).toEqual([
        "in",
        "in",
        "alert 50",
      ]);
      expect(await words("2001:db8:0:2::1", "2001:db8::1")).toEqual(["in", "in"]);
      await engine.relay.cut({});
      await engine.closes(name, { limited: 1, cut: 4 });
    });

    test("give the addresses of an IPv6 /64 to one backend where the source chooses it", async () => {
      const tier = await Promise.all(["a", "b", "c", "d"].map((word) => startSayingBackend(word)));
      await using stack = new AsyncDisposableStack();
      for (const each of tier) stack.use(each);
      const engine = await start(behindProxy);
      await engine.serve(
        routeObject(name, { hostnames: [name], balance: Balance.SOURCE_HASH, backends: tier.map(backendFields) }),
      );
      const chosen = new Set<string>();
      for (let network = 1; network <= 16; network++) {
        const words = new Set<string>();
        for (const host of ["::1", "::2", ":ffff:1:2:3"]) {
          words.add(await askFrom(engine, `2001:db8:0:${network.toString(16)}${host}`));
        }
        expect([network, words.size]).toEqual([network, 1]);
        for (const word of words) chosen.add(word);
      }
      // Of 16 sources all go to one of four backends in one of a billion runs.
      expect(chosen.size).toBeGreaterThan(1);
    });

    test("choose by the source that they carry, and hand it on with the address that it connected to", async () => {
      await using backend = await startTcpBackend();
      await using another = await startTcpBackend();
      const engine = await start(behindProxy);
      await engine.serve(
        routeObject(name, {
          hostnames: [name],
          balance: Balance.SOURCE_HASH,
          proxyProtocol: ProxyProtocol.V2,
          backends: [backendFields(backend), backendFields(another)],
        }),
      );
      for (let i = 1; i <= 24; i++) {
        for (let visit = 0; visit < 2; visit++) {
          const client = await through(engine, from(`192.0.2.${i}`, 5_000 + i), helloFor(name));
          await engine.relay.counters();
          client.end();
        }
      }
      await expect.poll(() => backend.count + another.count).toBe(48);
      const seen = new Map<string, Set<string>>();
      for (const { count, address, next } of [backend, another]) {
        expect(count).toBeGreaterThan(0);
        for (let i = 0; i < count; i++) {
          const upstream = await next();
          await upstream.over();
          const header = readProxyV2(upstream.received());
          expect(header).toMatchObject({ destination: "198.51.100.7", destinationPort: 443, crcIsRight: true });
          expect(header.source).toBe(`192.0.2.${header.sourcePort - 5_000}`);
          seen.set(header.source, (seen.get(header.source) ?? new Set()).add(address));
          upstream.end();
        }
      }
      expect(seen.size).toBe(24);
      for (const addresses of seen.values()) expect(addresses.size).toBe(1);
      await engine.closes(name, { client_closed: 48 });
    });

    test("have TLVs that go no further, and the socket's own addresses go on where they carry none", async () => {
      await using backend = await startTcpBackend();
      const engine = await start(behindProxy);
      await engine.serveOne(name, backend, { proxyProtocol: ProxyProtocol.V2 });
      const hello = helloFor(name);
      const header = proxyV2(ipv4, [
        [0x02, Buffer.from("forged.example.test")],
        [0xea, Buffer.from("vpce-1")],
      ]);
      const client = await say(engine, Buffer.concat([header, hello]));
      client.end();
      const first = await backend.next();
      await first.over();
      const seen = readProxyV2(first.received());
      expect(seen).toMatchObject({ source: "192.0.2.7", sourcePort: 40_001 });
      expect(seen.tlvs.map(([type]) => type)).toEqual([0x03]);
      first.end();
      const local = await say(engine, Buffer.concat([proxyV2("local"), hello]));
      local.end();
      const second = await backend.next();
      await second.over();
      expect(readProxyV2(second.received())).toMatchObject({
        source: "127.0.0.1",
        sourcePort: local.socket.localPort,
        destinationPort: engine.ipv4.port,
      });
      second.end();
      await engine.closes(name, { client_closed: 2 });
    });
  });
}
