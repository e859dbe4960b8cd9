// PROXY headers to backends: they say who the client is, and come in one piece with the hello.
import { describe, expect, test } from "vitest";
import { ProxyProtocol, ProxyTlv } from "@helloway/proto/table";
import type { Peer } from "../../harness/peer.ts";
import { readProxyV2 } from "../../harness/proxy-header.ts";
import { connectRaw } from "../../harness/raw-client.ts";
import { startSilentListener } from "../../harness/silent-listener.ts";
import { startTcpBackend } from "../../harness/tcp-backend.ts";
import { alpn } from "../../vectors/hello-bytes.ts";
import { backendFields, helloFor, type MakeRelay, useOneEngine } from "./fixture.ts";
import { say } from "./outcome.ts";

const name = "app.example.test";
const tlvTypes = { alpn: 0x01, authority: 0x02, crc32c: 0x03, uniqueId: 0x05, edge: 0xe4 };
const allTlvs = [ProxyTlv.AUTHORITY, ProxyTlv.ALPN, ProxyTlv.UNIQUE_ID, ProxyTlv.EDGE];

/** A backend that keeps what the first read of each of its connections brought. */
async function startFirstReadBackend(host?: string) {
  const firstReads: Buffer[] = [];
  const backend = await startTcpBackend({
    ...(host === undefined ? {} : { host }),
    onConnection({ socket }: Peer) {
      socket.once("data", (bytes: Buffer) => {
        firstReads.push(bytes);
        socket.end("seen");
      });
    },
  });
  return Object.assign(backend, { firstReads });
}

async function finish(client: Peer): Promise<{ address: string; port: number }> {
  const { localAddress, localPort } = client.socket;
  expect((await client.bytes(4)).toString()).toBe("seen");
  client.end();
  await client.over();
  return { address: localAddress!, port: localPort! };
}

export function defineProxyOut(makeRelay: MakeRelay): void {
  describe("PROXY headers to backends", () => {
    const start = useOneEngine(makeRelay);

    test("of version 1 are one line with the client's addresses, and come with the hello in one piece", async () => {
      await using backend = await startFirstReadBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { proxyProtocol: ProxyProtocol.V1 });
      const hello = helloFor(name);
      const client = await finish(await say(engine, hello, "127.0.0.9"));
      const line = `PROXY TCP4 127.0.0.9 127.0.0.1 ${client.port} ${engine.ipv4.port}\r\n`;
      expect(backend.firstReads).toEqual([Buffer.concat([Buffer.from(line), hello])]);
      await engine.closes(name, { backend_closed: 1 });
    });

    test("of version 2 carry the client's addresses and a right checksum, and nothing else unless asked", async () => {
      await using backend = await startFirstReadBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { proxyProtocol: ProxyProtocol.V2 });
      const hello = helloFor(name, alpn("h2"));
      const client = await finish(await say(engine, hello, "127.0.0.9"));
      const [seen] = backend.firstReads;
      const header = readProxyV2(seen!);
      expect(header).toMatchObject({
        source: "127.0.0.9",
        sourcePort: client.port,
        destination: "127.0.0.1",
        destinationPort: engine.ipv4.port,
        crcIsRight: true,
      });
      expect(header.tlvs.map(([type]) => type)).toEqual([tlvTypes.crc32c]);
      expect(seen!.subarray(header.bytes)).toEqual(hello);
    });

    test("carry the name as received, the offered protocols, the connection's id in the log, and the edge", async () => {
      await using backend = await startFirstReadBackend();
      const engine = await start({ edgeName: "edge-of-this-test" });
      await engine.serveOne(name, backend, { proxyProtocol: ProxyProtocol.V2, proxyTlvs: allTlvs });
      const written = "App.EXAMPLE.test.";
      const hello = helloFor(written, alpn("h2", "http/1.1"));
      await finish(await say(engine, hello));
      const [seen] = backend.firstReads;
      const header = readProxyV2(seen!);
      const values = Object.fromEntries(header.tlvs.map(([type, value]) => [type, value.toString("latin1")]));
      await expect.poll(() => engine.records.length).toBe(1);
      expect(values).toMatchObject({
        [tlvTypes.authority]: written,
        [tlvTypes.alpn]: "\x02h2\x08http/1.1",
        [tlvTypes.uniqueId]: engine.records[0]!.conn,
        [tlvTypes.edge]: "\x01edge-of-this-test",
      });
      expect(Object.keys(values).length).toBe(5);
      expect(header.crcIsRight).toBe(true);
      expect(seen!.subarray(header.bytes)).toEqual(hello);
    });

    test("carry the name that the edge has by now", async () => {
      await using backend = await startFirstReadBackend();
      const engine = await start({ edgeName: "as-asked-for" });
      const proxyTlvs = [ProxyTlv.EDGE];
      await engine.serveOne(name, backend, { proxyProtocol: ProxyProtocol.V2, proxyTlvs });
      const told = async (): Promise<string> => {
        await finish(await say(engine, helloFor(name)));
        const { tlvs } = readProxyV2(backend.firstReads.at(-1)!);
        return new Map(tlvs).get(tlvTypes.edge)!.toString();
      };
      expect(await told()).toBe("\x01as-asked-for");
      await engine.relay.setEdgeName("as-given");
      // Whichever worker accepts them.
      for (let i = 0; i < 12; i++) expect(await told()).toBe("\x01as-given");
    });

    test("leave out what the hello does not have, and what would make them longer than 536 bytes", async () => {
      await using backend = await startFirstReadBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { proxyProtocol: ProxyProtocol.V2, proxyTlvs: allTlvs });
      await finish(await say(engine, helloFor(name)));
      const many = Array.from({ length: 60 }, (_, i) => `protocol-${i}`);
      await finish(await say(engine, helloFor(name, alpn(...many))));
      expect(backend.firstReads.length).toBe(2);
      for (const seen of backend.firstReads) {
        const header = readProxyV2(seen);
        expect(header.bytes).toBeLessThanOrEqual(536);
        expect(header.tlvs.map(([type]) => type)).not.toContain(tlvTypes.alpn);
        expect(header.crcIsRight).toBe(true);
      }
    });

    test("are not counted as bytes of the client", async () => {
      await using backend = await startFirstReadBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { proxyProtocol: ProxyProtocol.V2, proxyTlvs: allTlvs });
      const hello = helloFor(name);
      await finish(await say(engine, hello));
      await engine.closes(name, { backend_closed: 1 });
      expect(await engine.route(name)).toMatchObject({ rxBytes: hello.length, txBytes: 4 });
      expect((await engine.route(name))!.backends.get(backend.address)).toMatchObject({
        rxBytes: hello.length,
        txBytes: 4,
      });
      await expect.poll(() => engine.records).toMatchObject([{ rx: hello.length, tx: 4 }]);
    });

    test("have the addresses of an IPv6 client, whatever the backend's family", async () => {
      await using backend = await startFirstReadBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { proxyProtocol: ProxyProtocol.V2 });
      const one = await connectRaw(engine.ipv6);
      one.send(helloFor(name));
      const first = await finish(one);
      expect(readProxyV2(backend.firstReads[0]!)).toMatchObject({
        family: 6,
        source: "::1",
        sourcePort: first.port,
        destination: "::1",
        destinationPort: engine.ipv6.port,
        crcIsRight: true,
      });
      await engine.serveOne(name, backend, { proxyProtocol: ProxyProtocol.V1 });
      const two = await connectRaw(engine.ipv6);
      const hello = helloFor(name);
      two.send(hello);
      const second = await finish(two);
      const line = `PROXY TCP6 ::1 ::1 ${second.port} ${engine.ipv6.port}\r\n`;
      expect(backend.firstReads[1]).toEqual(Buffer.concat([Buffer.from(line), hello]));
    });

    test("have the addresses of an IPv4 client also towards an IPv6 backend", async () => {
      await using backend = await startFirstReadBackend("::1");
      const engine = await start();
      await engine.serveOne(name, backend, { proxyProtocol: ProxyProtocol.V2 });
      const client = await finish(await say(engine, helloFor(name)));
      expect(readProxyV2(backend.firstReads[0]!)).toMatchObject({
        family: 4,
        source: "127.0.0.1",
        sourcePort: client.port,
      });
    });

    test("come first also when the client has sent more than its hello before a backend was reached", async () => {
      await using silent = await startSilentListener();
      await using backend = await startTcpBackend();
      const engine = await start();
      const backends = [backendFields(silent), { ...backendFields(backend), priority: 1 }];
      await engine.serveOne(name, backend, { proxyProtocol: ProxyProtocol.V2, timeouts: { connectMs: 300 }, backends });
      const hello = helloFor(name);
      const client = await say(engine, hello);
      await expect.poll(async () => (await engine.route(name))?.opened).toBe(1);
      const early = Buffer.alloc(100_000, "early ");
      client.send(early);
      const upstream = await backend.next();
      const { bytes } = readProxyV2(await upstream.bytes(16 + 12 + 7));
      const received = await upstream.bytes(bytes + hello.length + early.length);
      expect(received.subarray(bytes).equals(Buffer.concat([hello, early]))).toBe(true);
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.end();
      await engine.closes(name, { client_closed: 1 });
      expect((await engine.route(name))!.rxBytes).toBe(hello.length + early.length);
    });
  });
}
