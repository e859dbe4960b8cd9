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

test("answers with nothing when it is cancelled, and never rejects", async () => {
  dns.set(name, "silent");
  const asked = addresses();
  await expect.poll(() => dns.questions(name)).toBe(2);
  resolver.cancel();
  expect(await asked).toEqual([]);
});

test(
  "goes on with the last answer before it asks a second time when the server falls silent",
  { timeout: 20_000 },
  async () => {
    dns.set(name, ["192.0.2.1"], 1);
    expect(await addresses()).toEqual(["192.0.2.1"]);
    const asked = dns.questions(name);
    dns.set(name, "silent");
    await expect.poll(() => resolver.cached(name), { timeout: 5_000 }).toBe(null);
    expect(await addresses()).toEqual(["192.0.2.1"]);
    expect(await addresses()).toEqual(["192.0.2.1"]);
    // Once for each family.
    expect(dns.questions(name)).toBe(asked + 2);
  },
);
