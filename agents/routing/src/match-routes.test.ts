import { expect, test } from "vitest";
import { parseAddress, parseCidr } from "./address.ts";
import { compileCriteria } from "./compiled-criteria.ts";
import type { HelloFacts } from "./hello-facts.ts";
import { type MatchableRoute, matchRoute } from "./match-routes.ts";
import { OfferedProtocols } from "./offered-protocols.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

interface Criteria {
  alpn?: string[];
  sources?: string[];
  countries?: string[];
}

function route(uid: string, { alpn = [], sources = [], countries = [] }: Criteria = {}): MatchableRoute {
  const sourceCidrs = sources.map((text) => parseCidr(text)!);
  return { uid, criteria: compileCriteria({ alpn: alpn.map(bytes), sourceCidrs, countries }) };
}

interface Client {
  alpn?: string[];
  source?: string;
  country?: string | null;
}

function client({ alpn = [], source = "192.0.2.1", country = null }: Client = {}): HelloFacts {
  return {
    serverName: bytes("x.test"),
    alpn: OfferedProtocols.of(alpn.map(bytes)),
    versions: [0x0304],
    source: () => parseAddress(source)!,
    country: () => country,
  };
}

function served(routes: MatchableRoute[], by: Client): string {
  const forwards = matchRoute(routes, client(by));
  expect(matchRoute(routes.toReversed(), client(by))).toEqual(forwards);
  return forwards.kind === "match" ? forwards.route.uid : forwards.alpnOnly ? "(another offer)" : "(none)";
}

const all = [
  route("none"),
  route("country", { countries: ["DE", "FR"] }),
  route("wide", { sources: ["192.0.0.0/8"] }),
  route("narrow", { sources: ["192.0.2.0/24", "2001:db8::/32"] }),
  route("wide country", { sources: ["192.0.0.0/8"], countries: ["DE"] }),
  route("alpn", { alpn: ["h2"] }),
  route("alpn wide", { alpn: ["h2", "http/1.1"], sources: ["192.0.0.0/8"] }),
];

test.each<[Client, string]>([
  [{ source: "203.0.113.1" }, "none"],
  [{ source: "203.0.113.1", country: "DE" }, "country"],
  [{ source: "203.0.113.1", country: "US" }, "none"],
  [{ source: "192.1.1.1" }, "wide"],
  [{ source: "192.1.1.1", country: "DE" }, "wide country"],
  [{ country: "DE" }, "narrow"],
  [{ source: "2001:db8::1" }, "narrow"],
  [{ source: "203.0.113.1", country: "DE", alpn: ["h3", "h2"] }, "alpn"],
  [{ alpn: ["h2"] }, "alpn wide"],
  [{ alpn: ["h3"] }, "narrow"],
])("ALPN comes before sources, a longer prefix before a shorter one, sources before countries: %j", (by, uid) => {
  expect(served(all, by)).toBe(uid);
});

test("of routes as particular, the one that lists the client's earliest offer serves, then the lower uid", () => {
  const routes = [route("b", { alpn: ["h2", "h3"] }), route("a", { alpn: ["http/1.1"] }), route("c", { alpn: ["h2"] })];
  expect(served(routes, { alpn: ["http/1.1", "h2"] })).toBe("a");
  expect(served(routes, { alpn: ["h2", "http/1.1"] })).toBe("b");
  expect(served(routes, { alpn: ["h3", "h2"] })).toBe("b");
});

test("a protocol matches byte by byte, also one that is no text", () => {
  const routes: MatchableRoute[] = [
    { uid: "a", criteria: compileCriteria({ alpn: [Uint8Array.of(0, 255)], sourceCidrs: [], countries: [] }) },
  ];
  expect(matchRoute(routes, { ...client(), alpn: OfferedProtocols.of([Uint8Array.of(0, 255)]) }).kind).toBe("match");
  expect(matchRoute(routes, { ...client(), alpn: OfferedProtocols.of([Uint8Array.of(0, 195, 191)]) }).kind).toBe(
    "no_match",
  );
  expect(served([route("a", { alpn: ["h2"] })], { alpn: ["H2", "h"] })).toBe("(another offer)");
});

test("tells whether another offer would have matched", () => {
  const routes = [route("a", { alpn: ["h2"], sources: ["192.0.2.0/24"] }), route("b", { countries: ["DE"] })];
  expect(served(routes, { alpn: ["h3"] })).toBe("(another offer)");
  expect(served(routes, {})).toBe("(another offer)");
  expect(served(routes, { source: "203.0.113.1", alpn: ["h3"] })).toBe("(none)");
  expect(served(routes, { source: "203.0.113.1", alpn: ["h2"] })).toBe("(none)");
});

test("an unknown country is in no list", () => {
  expect(served([route("a", { countries: ["DE"] })], { country: null })).toBe("(none)");
});

test("asks for source and country only where a route wants to know, and once", () => {
  const asked: string[] = [];
  const facts: HelloFacts = {
    ...client(),
    source: () => (asked.push("source"), parseAddress("192.0.2.1")!),
    country: () => (asked.push("country"), null),
  };
  matchRoute([route("a", { alpn: ["h2"] }), route("b")], facts);
  expect(asked).toEqual([]);
  matchRoute(all, facts);
  expect(asked).toEqual(["country", "source"]);
});

test("many routes and many offers meet like few of them", () => {
  const routes = Array.from({ length: 50 }, (_, i) => route(`route ${i}`, { alpn: [`p${i}`, `q${i}`] }));
  const others = Array.from({ length: 5_000 }, (_, i) => `other ${i}`);
  expect(served(routes, { alpn: [...others, "q40", "p3", ...others] })).toBe("route 40");
  expect(served(routes, { alpn: ["q40", "p40", "p3", "p3", "q40"] })).toBe("route 40");
  expect(served(routes, { alpn: others })).toBe("(another offer)");
});
