// What a route can ask for, from the API to the socket: every field through the control plane, the stream and an agent of its own process.
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { helloFor } from "../conformance/suite/fixture.ts";
import { firstWord, outcome } from "../conformance/suite/outcome.ts";
import { type CountryFile, writeCountryFile } from "../harness/country-file.ts";
import { type Edge, type Installation, startInstallation } from "../harness/installation.ts";
import type { Peer } from "../harness/peer.ts";
import { proxyV2, readProxyV2 } from "../harness/proxy-header.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startSayingBackend } from "../harness/saying-backend.ts";
import { refusingPort, startTcpBackend, type TcpBackend } from "../harness/tcp-backend.ts";
import { alpn, clientHello, record, serverName, supportedVersions } from "../vectors/hello-bytes.ts";

const TLS_1_2 = 0x0303;
const TLV_EDGE = 0xe4;
const DRAIN_SECONDS = 8;

let installation: Installation;
let edge: Edge;
let countries: CountryFile;
/** The second listener: PROXY headers from loopback are believed there. */
let proxied: number;
const backends = new Map<string, TcpBackend>();

beforeAll(async () => {
  installation = await startInstallation();
  countries = await writeCountryFile({ "203.0.113.0/24": "NL" });
  await installation.prepare({ pool: "public", team: "shop", domain: "shop.test" });
  edge = await installation.addEdge("public", "edge-1", {
    HELLOWAY_EDGE_LISTEN: "127.0.0.1:0,127.0.0.1:0+proxy",
    HELLOWAY_EDGE_PROXY_TRUSTED: "127.0.0.0/8",
    HELLOWAY_GEO_DATABASE: countries.path,
    HELLOWAY_DRAIN_TIMEOUT: `${DRAIN_SECONDS}s`,
  });
  const { listeners } = (await edge.process.ready) as { listeners: { port: number }[] };
  proxied = listeners[1]!.port;
  for (const word of ["one", "two"]) backends.set(word, await startSayingBackend(word, "stay"));
});
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  for (const backend of backends.values()) await backend[Symbol.asyncDispose]();
  await countries?.[Symbol.asyncDispose]();
});

const to = (word: string) => [{ address: backends.get(word)!.address }];

/** A route that is live when this returns. */
async function serve(name: string, spec: Record<string, unknown>): Promise<void> {
  const body = { spec: { pool: "public", hostnames: [`${name}.shop.test`], backends: to("one"), ...spec } };
  const { status, body: answer } = await installation.api("PUT", `/teams/shop/routes/${name}`, body);
  expect([status < 300, answer]).toEqual([true, answer]);
  await vi.waitFor(
    async () => {
      const { body: route } = await installation.api<{ status: object }>("GET", `/teams/shop/routes/${name}`);
      expect(route.status).toMatchObject({ state: "live" });
    },
    { timeout: 20_000 },
  );
}

interface From {
  /** An address of this host. */
  source?: string;
  /** An address that a PROXY header carries. */
  carried?: string;
}

/** A client that has sent its hello. */
async function client(bytes: Uint8Array, { source, carried }: From = {}): Promise<Peer> {
  const peer = await connectRaw({ address: "127.0.0.1", port: carried === undefined ? edge.port : proxied }, source);
  const ends = { source: carried ?? "", sourcePort: 1_234, destination: "198.51.100.7", destinationPort: 443 };
  peer.send(carried === undefined ? bytes : Buffer.concat([proxyV2(ends), bytes]));
  return peer;
}

/** The backend's word or the alert, and the client is gone. */
async function ask(bytes: Uint8Array, from: From = {}): Promise<string> {
  const peer = await client(bytes, from);
  const word = await firstWord(peer);
  peer.end();
  await peer.over().catch(() => undefined);
  return word;
}

const hello = (name: string, ...more: Uint8Array[]): Buffer => helloFor(`${name}.shop.test`, ...more);

test("match: the protocol, the source and the country decide among routes of one hostname", async () => {
  const hostnames = ["match.shop.test"];
  await serve("rest", { hostnames });
  await serve("protocol", { hostnames, backends: to("two"), match: { alpn: ["h2"] } });
  expect(await ask(hello("match"))).toBe("one");
  expect(await ask(hello("match", alpn("h2")))).toBe("two");
  await serve("network", { hostnames: ["network.shop.test"], match: { sourceCidrs: ["127.0.0.9/32"] } });
  expect(await ask(hello("network"), { source: "127.0.0.9" })).toBe("one");
  expect(await ask(hello("network"))).toBe("alert 70");
  await serve("country", { match: { countries: ["NL"] } });
  expect(await ask(hello("country"), { carried: "203.0.113.5" })).toBe("one");
  expect(await ask(hello("country"), { carried: "192.0.2.5" })).toBe("alert 70");
});

test("wildcards: of any depth, and of one label", async () => {
  await serve("any", { hostnames: ["*.any.shop.test"] });
  await serve("label", { hostnames: ["*.label.shop.test"], wildcardDepth: "one" });
  expect(await ask(hello("a.any"))).toBe("one");
  expect(await ask(hello("b.a.any"))).toBe("one");
  expect(await ask(hello("any"))).toBe("alert 70");
  expect(await ask(hello("a.label"))).toBe("one");
  expect(await ask(hello("b.a.label"))).toBe("alert 70");
});

test("access: by network, country and TLS version", async () => {
  await serve("deny", { access: { deny: ["127.0.0.8/32"] } });
  expect(await ask(hello("deny"))).toBe("one");
  expect(await ask(hello("deny"), { source: "127.0.0.8" })).toBe("alert 70");
  await serve("dutch", { access: { allowCountries: ["NL"] } });
  expect(await ask(hello("dutch"), { carried: "203.0.113.5" })).toBe("one");
  expect(await ask(hello("dutch"), { carried: "192.0.2.5" })).toBe("alert 70");
  await serve("modern", { access: { minTlsVersion: "1.3" } });
  const old = record(clientHello({ extensions: [serverName("modern.shop.test"), supportedVersions(TLS_1_2)] }));
  expect(await ask(old)).toBe("alert 46");
  const recent = record(
    clientHello({ extensions: [serverName("modern.shop.test"), supportedVersions(0x0304, TLS_1_2)] }),
  );
  expect(await ask(recent)).toBe("one");
});

test("limits: enforced, and observed", async () => {
  await serve("limited", { limits: { connections: 1 } });
  const held = await client(hello("limited"));
  expect(await firstWord(held)).toBe("one");
  expect(await ask(hello("limited"))).toBe("alert 50");
  held.end();
  await held.over();
  await serve("observed", { limits: { connections: 1, mode: "observe" } });
  const held2 = await client(hello("observed"));
  expect(await firstWord(held2)).toBe("one");
  expect(await ask(hello("observed"))).toBe("one");
  held2.end();
  await held2.over();
});

test("backends: by priority and balance", async () => {
  const dead = { address: `127.0.0.1:${await refusingPort()}`, priority: 0 };
  await serve("failover", { backends: [dead, { ...to("two")[0], priority: 1 }] });
  expect(await ask(hello("failover"))).toBe("two");
  await serve("least", { balance: "leastConnections", backends: [...to("one"), ...to("two")] });
  const held = [await client(hello("least")), await client(hello("least"))];
  const words = await Promise.all(held.map(firstWord));
  expect(words.toSorted()).toEqual(["one", "two"]);
  for (const peer of held) peer.end();
});

test("PROXY headers out: who the client is, and which edge it came to, by the name that the fleet gave it", async () => {
  const { promise: seen, resolve } = Promise.withResolvers<Buffer>();
  await using backend = await startTcpBackend({
    onConnection: (peer) => void peer.bytes(1).then((bytes) => (resolve(bytes), peer.end("in"))),
  });
  await serve("header", {
    backends: [{ address: backend.address }],
    proxyProtocol: "v2",
    proxyTlvs: ["edge"],
  });
  expect(await ask(hello("header"), { carried: "203.0.113.5" })).toBe("in");
  const header = readProxyV2(await seen);
  expect(header).toMatchObject({ source: "203.0.113.5", sourcePort: 1_234, destination: "198.51.100.7" });
  expect(new Map(header.tlvs).get(TLV_EDGE)?.toString()).toBe("\x01edge-1");
});

test("timeouts: an idle connection ends", async () => {
  await serve("idle", { timeouts: { idle: "4s" } });
  const peer = await client(hello("idle"));
  expect(await outcome(peer)).toBe("one");
});

test("the pool's defaults serve who has no name, and a name that nobody registered", async () => {
  const addresses = { default: { cidrs: ["127.0.0.0/8", "::1/128"], ports: ["any"] } };
  const spec = { addresses, noSni: { backends: to("one") }, unmatched: { backends: to("two") } };
  expect(await ask(helloFor("nobody.test"))).toBe("alert 70");
  expect((await installation.api("PUT", "/pools/public", { spec })).status).toBe(200);
  await expect.poll(() => ask(helloFor("nobody.test"))).toBe("two");
  expect(await ask(record(clientHello({ extensions: [] })))).toBe("one");
  // Who asks for a route and is refused by it is not the default's.
  expect(await ask(hello("network"))).toBe("alert 70");
});

describe("when all of this is done", () => {
  test("the statistics say how each connection ended, and a drain ends what is left within its time", async () => {
    await serve("long", {});
    const held = await client(hello("long"));
    expect(await firstWord(held)).toBe("one");
    const reasons = async (name: string) =>
      (await installation.api<{ totals: { reasons: object } }>("GET", `/stats/routes/shop/${name}`)).body.totals
        .reasons;
    await expect.poll(() => reasons("limited")).toEqual({ client_closed: 1, limited: 1 });
    await expect.poll(() => reasons("modern")).toEqual({ client_closed: 1, tls_version: 1 });
    await expect.poll(() => reasons("idle")).toEqual({ idle_timeout: 1 });

    const ended = edge.process.kill("SIGTERM");
    await expect.poll(() => edge.process.stderr()).toContain("draining");
    expect(await ask(hello("long"))).toBe("alert 50");
    expect(await held.over()).toBe("fin");
    held.end();
    expect((await ended).code).toBe(0);
    await expect.poll(() => reasons("long")).toEqual({ drained: 1 });
  });
});
