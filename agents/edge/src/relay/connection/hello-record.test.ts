import { OfferedProtocols } from "@helloway/routing/offered-protocols";
import { describe, expect, test } from "vitest";
import type { ParsedHello } from "../hello/hello.ts";
import { helloRecord } from "./hello-record.ts";

const text = (value: string): Uint8Array => Buffer.from(value, "latin1");

function recordOf({ name = "a.test", offers = [] }: { name?: string; offers?: string[] }) {
  const alpn = OfferedProtocols.of(offers.map(text));
  const rest = { versions: [0x0304, 0x0303, 0x7f1c], ech: false, postQuantum: true, records: 1 };
  return helloRecord({ serverName: text(name), alpn, ...rest } satisfies ParsedHello);
}

describe("the record of a hello", () => {
  test("has the name and the offers as received, escaped, and versions by their names", () => {
    expect(recordOf({ name: "A.Test.\n", offers: ["h2", "\x0a\x0a"] })).toEqual({
      sni: "A.Test.\\x0a",
      alpn: ["h2", "\\x0a\\x0a"],
      tlsVersions: ["TLSv1.3", "TLSv1.2", "0x7f1c"],
      ech: false,
      pq: true,
    });
  });

  test.each([
    ["32 offers whole", 32, "h2", 32, null],
    ["the first 32 of more", 33, "h2", 32, "... 1 more"],
    ["the first 32 of the most that a hello has room for", 16_000, "x", 32, "... 15968 more"],
    ["as many as are within 1,024 characters", 4, "p".repeat(255), 4, null],
    ["no more than that", 5, "p".repeat(255), 4, "... 1 more"],
    ["fewer where escapes make them longer", 5, "\0".repeat(200), 1, "... 4 more"],
  ])("has %s", (_what, count, offer, kept, last) => {
    const { alpn } = recordOf({ offers: Array<string>(count).fill(offer) });
    expect(alpn.length).toBe(kept + (last === null ? 0 : 1));
    if (last !== null) expect(alpn.at(-1)).toBe(last);
  });

  test("has the beginning of a name that nobody can route", () => {
    expect(recordOf({ name: "n".repeat(512) }).sni).toBe("n".repeat(512));
    expect(recordOf({ name: "n".repeat(32_000) }).sni).toBe(`${"n".repeat(512)}... 31488 more`);
  });
});
