import { afterEach, beforeEach, expect, test } from "vitest";
import { type DnsServer, startDnsServer } from "@helloway/test/harness/dns-server";
import { BackendResolver } from "./backend-resolver.ts";

const name = "backend.internal";
let dns: DnsServer;
let resolver: BackendResolver;

beforeEach(async () => {
  dns = await startDnsServer();
  resolver = new BackendResolver([dns.address]);
});

afterEach(async () => {
  resolver.cancel();
  await dns[Symbol.asyncDispose]();
});

async function addresses(): Promise<string[]> {
  return (await resolver.resolve(name)).map(({ text }) => text);
}

test("asks once for a name that many connections want at the same time", async () => {
  dns.set(name, ["192.0.2.1", "2001:db8::1"]);
  const answers = await Promise.all(Array.from({ length: 200 }, addresses));
  expect(new Set(answers.map((each) => each.join()))).toEqual(new Set(["192.0.2.1,2001:db8::1"]));
  expect(dns.questions(name)).toBe(2);
});

test("knows nothing of a name that does not exist, and does not ask again at once", async () => {
  dns.set(name, []);
  expect(await addresses()).toEqual([]);
  expect(await addresses()).toEqual([]);
  expect(dns.questions(name)).toBe(2);
});

test("takes no more than 32 addresses of each family, whatever a name's owner answers", async () => {
  const ipv4 = Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1}`);
  dns.set(name, [...ipv4, "2001:db8::1"]);
  const found = await addresses();
  expect(found.filter((each) => ipv4.includes(each)).length).toBe(32);
  expect(found).toContain("2001:db8::1");
});

test.each([
  [4, 6, "192.0.2.1"],
  [6, 4, "2001:db8::1"],
] as const)(
  "answers with what IPv%i has while a server is silent about IPv%i, whose answer is for those who ask later",
  async (known, _silent, first) => {
    let isLate = false;
    dns.set(name, (family) => (family === known || isLate ? ["192.0.2.1", "2001:db8::1"] : "silent"));
    expect(await addresses()).toEqual([first]);
    // Of each family once: a question that is not answered is asked again after two seconds.
    expect(dns.questions(name)).toBe(2);
    isLate = true;
    await expect.poll(addresses).toEqual(["192.0.2.1", "2001:db8::1"]);
  },
);

test("waits for the other family where the first has no address", async () => {
  let asked = 0;
  dns.set(name, (family) => (family === 4 ? ["2001:db8::1"] : asked++ === 0 ? "silent" : ["2001:db8::1"]));
  expect(await addresses()).toEqual(["2001:db8::1"]);
});

test("answers with nothing when it is cancelled, and never rejects", async () => {
  dns.set(name, "silent");
  const asked = addresses();
  await expect.poll(() => dns.questions(name)).toBe(2);
  resolver.cancel();
  expect(await asked).toEqual([]);
});

test("goes on with the last answer before it asks a second time when the server falls silent", async () => {
  dns.set(name, ["192.0.2.1"], 1);
  expect(await addresses()).toEqual(["192.0.2.1"]);
  const asked = dns.questions(name);
  dns.set(name, "silent");
  await expect.poll(() => resolver.cached(name)).toBe(null);
  expect(await addresses()).toEqual(["192.0.2.1"]);
  const waiting = dns.questions(name);
  expect(waiting).toBeGreaterThan(asked);
  expect(await addresses()).toEqual(["192.0.2.1"]);
  expect(dns.questions(name)).toBe(waiting);
});
