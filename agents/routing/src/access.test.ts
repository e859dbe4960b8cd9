import { expect, test } from "vitest";
import { parseAddress, parseCidr } from "./address.ts";
import { type AccessLists, checkAccess, compileAccess } from "./access.ts";
import { noProtocols } from "./offered-protocols.ts";

type Lists = Partial<{ [K in keyof AccessLists]: AccessLists[K] extends number ? number : string[] }>;

function compiled({ allow = [], deny = [], allowCountries = [], denyCountries = [], minTlsVersion = 0 }: Lists) {
  const cidrs = (texts: string[]) => texts.map((text) => parseCidr(text)!);
  return compileAccess({ allow: cidrs(allow), deny: cidrs(deny), allowCountries, denyCountries, minTlsVersion });
}

function verdict(lists: Lists, source: string, country: string | null = null, versions = [0x0304, 0x0303]): string {
  return checkAccess(compiled(lists)!, {
    serverName: null,
    alpn: noProtocols,
    versions,
    source: () => parseAddress(source)!,
    country: () => country,
  });
}

test("nothing but empty lists is open to everybody", () => {
  expect(compiled({})).toBe(null);
});

test.each<[Lists, string, string | null, string]>([
  [{ allow: ["192.0.2.0/24"] }, "192.0.2.7", null, "admitted"],
  [{ allow: ["192.0.2.0/24"] }, "192.0.3.7", null, "denied"],
  [{ allow: ["192.0.2.0/24"] }, "2001:db8::1", null, "denied"],
  [{ deny: ["192.0.2.0/24"] }, "192.0.2.7", null, "denied"],
  [{ deny: ["192.0.2.0/24"] }, "192.0.3.7", null, "admitted"],
  [{ allow: ["192.0.2.0/24"], deny: ["192.0.2.7/32"] }, "192.0.2.7", null, "denied"],
  [{ allow: ["192.0.2.7/32"], deny: ["192.0.2.0/24"] }, "192.0.2.7", null, "denied"],
  [{ allow: ["192.0.2.0/24"], allowCountries: ["DE"] }, "203.0.113.1", "DE", "admitted"],
  [{ allow: ["192.0.2.0/24"], allowCountries: ["DE"] }, "192.0.2.1", "FR", "admitted"],
  [{ allow: ["192.0.2.0/24"], allowCountries: ["DE"] }, "203.0.113.1", "FR", "denied"],
  [{ allow: ["192.0.2.0/24"], denyCountries: ["DE"] }, "192.0.2.1", "DE", "denied"],
  [{ allowCountries: ["DE"], deny: ["203.0.113.0/24"] }, "203.0.113.1", "DE", "denied"],
  [{ allowCountries: ["DE"] }, "203.0.113.1", null, "denied"],
  [{ denyCountries: ["DE"] }, "203.0.113.1", null, "admitted"],
  [{ deny: ["2001:db8::/32"] }, "2001:db8:1::1", null, "denied"],
])(
  "what is denied is denied, whatever is allowed; lists that allow deny the rest: %j %s %s",
  (lists, source, country, expected) => {
    expect(verdict(lists, source, country)).toBe(expected);
  },
);

test("the highest offered version must be high enough, drafts and DTLS not counted", () => {
  const at = (minTlsVersion: number, versions: number[]) => verdict({ minTlsVersion }, "192.0.2.1", null, versions);
  expect(at(0x0304, [0x0303, 0x0304])).toBe("admitted");
  expect(at(0x0304, [0x0303, 0x0302])).toBe("tls_version");
  expect(at(0x0303, [0x0303])).toBe("admitted");
  expect(at(0x0303, [])).toBe("tls_version");
  expect(at(0x0304, [0x7f1c, 0xfefd, 0x0303])).toBe("tls_version");
});

test("a denied client does not hear of versions", () => {
  expect(verdict({ minTlsVersion: 0x0304, deny: ["192.0.2.0/24"] }, "192.0.2.1", null, [0x0303])).toBe("denied");
});

test("asks for source and country only where a list wants to know", () => {
  const never = () => {
    throw new Error("asked");
  };
  const facts = { serverName: null, alpn: noProtocols, versions: [0x0304], source: never, country: never };
  expect(checkAccess(compiled({ minTlsVersion: 0x0303 })!, facts)).toBe("admitted");
  const source = () => parseAddress("192.0.2.1")!;
  expect(checkAccess(compiled({ deny: ["192.0.2.0/24"] })!, { ...facts, source })).toBe("denied");
});
