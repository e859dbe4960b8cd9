import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AccessLists, compileAccess } from "./access.ts";
import { type Cidr, cidrContains, parseAddress, parseCidr } from "./address.ts";
import { compileCriteria } from "./compiled-criteria.ts";
import { type DecidableRoute, decide, type Decision } from "./decide.ts";
import type { HelloFacts } from "./hello-facts.ts";
import { type BarrierNames, NameTable } from "./name-table.ts";
import { OfferedProtocols } from "./offered-protocols.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

interface CriteriaLists {
  alpn: string[];
  sourceCidrs: readonly Cidr[];
  countries: string[];
}

interface Route extends DecidableRoute {
  lists: { criteria: CriteriaLists; access: AccessLists };
}

const noCriteria: CriteriaLists = { alpn: [], sourceCidrs: [], countries: [] };
const noAccess: AccessLists = { allow: [], deny: [], allowCountries: [], denyCountries: [], minTlsVersion: 0 };

interface RouteFields {
  uid: string;
  hostnames: string[];
  wildcardDepth?: "any" | "one";
  criteria?: Partial<CriteriaLists>;
  access?: Partial<AccessLists>;
}

function route({ uid, hostnames, wildcardDepth = "any", ...lists }: RouteFields): Route {
  const criteria = { ...noCriteria, ...lists.criteria };
  const access = { ...noAccess, ...lists.access };
  return {
    uid,
    hostnames,
    wildcardDepth,
    criteria: compileCriteria({ ...criteria, alpn: criteria.alpn.map(bytes) }),
    access: compileAccess(access),
    lists: { criteria, access },
  };
}

interface World {
  routes: Route[];
  barriers: BarrierNames[];
  noSni: Route | null;
  unmatched: Route | null;
}

function decideIn({ routes, barriers, noSni, unmatched }: World, facts: HelloFacts): Decision<Route> {
  const names = new NameTable<Route>();
  names.change({ put: routes, remove: [], putBarriers: barriers, removeBarriers: [] });
  return decide({ names, settings: { noSni, unmatched } }, facts);
}

interface Client {
  serverName: string | null;
  alpn?: string[];
  versions?: number[];
  source?: string;
  country?: string | null;
}

function facts({
  serverName,
  alpn = [],
  versions = [0x0304],
  source = "192.0.2.1",
  country = null,
}: Client): HelloFacts {
  return {
    serverName: serverName === null ? null : bytes(serverName),
    alpn: OfferedProtocols.of(alpn.map(bytes)),
    versions,
    source: () => parseAddress(source)!,
    country: () => country,
  };
}

const network = (text: string) => parseCidr(text)!;

describe("for one table", () => {
  const world: World = {
    routes: [
      route({ uid: "h2", hostnames: ["app.test"], criteria: { alpn: ["h2"] } }),
      route({ uid: "wild", hostnames: ["*.test"] }),
      route({ uid: "new", hostnames: ["new.test"], access: { minTlsVersion: 0x0304 } }),
      route({ uid: "inside", hostnames: ["inside.test"], access: { allow: [network("10.0.0.0/8")] } }),
    ],
    barriers: [{ id: "1", name: "barred.test", tree: true }],
    noSni: route({ uid: "@noSni", hostnames: [] }),
    unmatched: route({ uid: "@unmatched", hostnames: [], access: { deny: [network("198.51.100.0/24")] } }),
  };

  test.each<[string, Client, string]>([
    ["the name's route", { serverName: "App.test.", alpn: ["h2"] }, "h2"],
    ["no broader name when criteria fail", { serverName: "app.test", alpn: ["h3"] }, "no_match alpnOnly"],
    ["the wildcard", { serverName: "x.test" }, "wild"],
    ["nobody at a barrier", { serverName: "barred.test" }, "no_route"],
    ["nobody for an address", { serverName: "192.0.2.1" }, "no_route"],
    ["the default for an unknown name", { serverName: "elsewhere.example" }, "@unmatched"],
    ["its access too", { serverName: "elsewhere.example", source: "198.51.100.1" }, "denied @unmatched"],
    ["no default for acme-tls/1", { serverName: "elsewhere.example", alpn: ["h2", "acme-tls/1"] }, "no_route"],
    ["the default without a name", { serverName: null }, "@noSni"],
    ["the same for an empty one", { serverName: "" }, "@noSni"],
    ["no default without a name for acme-tls/1", { serverName: null, alpn: ["acme-tls/1"] }, "no_sni"],
    ["a protocol that only begins so", { serverName: null, alpn: ["acme-tls/1x", "acme-tls/"] }, "@noSni"],
    ["the name's owner for acme-tls/1", { serverName: "x.test", alpn: ["acme-tls/1"] }, "wild"],
    ["a high version", { serverName: "new.test", versions: [0x0303, 0x0304] }, "new"],
    ["no low version", { serverName: "new.test", versions: [0x0303] }, "tls_version new"],
    ["whom access admits", { serverName: "inside.test", source: "10.1.1.1" }, "inside"],
    ["nobody else", { serverName: "inside.test" }, "denied inside"],
  ])("serves %s", (_what, client, expected) => {
    expect(told(decideIn(world, facts(client)))).toBe(expected);
  });

  test("refuses without defaults", () => {
    const bare = { ...world, noSni: null, unmatched: null };
    expect(told(decideIn(bare, facts({ serverName: null })))).toBe("no_sni");
    expect(told(decideIn(bare, facts({ serverName: "elsewhere.example" })))).toBe("no_route");
  });
});

function told(decision: Decision<Route>): string {
  if (decision.kind === "route") return decision.route.uid;
  const route = decision.route === undefined ? "" : ` ${decision.route.uid}`;
  return `${decision.reason}${decision.alpnOnly === true ? " alpnOnly" : ""}${route}`;
}

const anyName = fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 3 }).map((labels) => labels.join("."));
const anyHostname = fc.tuple(fc.boolean(), anyName).map(([wildcard, name]) => (wildcard ? `*.${name}` : name));
const anyCidrs = fc.subarray(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "2001:db8::/32"].map(network));
const anyCountries = fc.subarray(["DE", "FR"]);
const anyProtocols = fc.subarray(["h2", "h3", "acme-tls/1"]);
const sometimes = <T>(value: fc.Arbitrary<T[]>) => fc.oneof({ weight: 2, arbitrary: fc.constant<T[]>([]) }, value);
const anyCriteria = fc.record({
  alpn: sometimes(anyProtocols),
  sourceCidrs: sometimes(anyCidrs),
  countries: sometimes(anyCountries),
});
const anyAccess = fc.record({
  allow: sometimes(anyCidrs),
  deny: sometimes(anyCidrs),
  allowCountries: sometimes(anyCountries),
  denyCountries: sometimes(anyCountries),
  minTlsVersion: fc.constantFrom(0, 0, 0x0303, 0x0304),
});
const anyRoute = fc.record({
  uid: fc.constantFrom("1", "2", "3", "4", "5", "6"),
  hostnames: fc.array(anyHostname, { minLength: 1, maxLength: 3 }),
  wildcardDepth: fc.constantFrom("any", "one"),
  criteria: anyCriteria,
  access: anyAccess,
});
const anyDefault = fc.option(
  fc.record({ uid: fc.constant("@"), hostnames: fc.constant<string[]>([]), access: anyAccess }),
);
const anyWorld: fc.Arbitrary<World> = fc.record({
  routes: fc
    .uniqueArray(anyRoute, { selector: ({ uid }) => uid, maxLength: 6 })
    .map((routes) => routes.map((each) => route(each))),
  barriers: fc.uniqueArray(fc.record({ id: fc.constantFrom("1", "2"), name: anyHostname, tree: fc.boolean() }), {
    selector: ({ id }) => id,
  }),
  noSni: anyDefault.map((fields) => fields && route(fields)),
  unmatched: anyDefault.map((fields) => fields && route(fields)),
});
const anyClient: fc.Arbitrary<Client> = fc.record({
  serverName: fc.oneof(
    { weight: 8, arbitrary: anyName },
    { weight: 1, arbitrary: fc.constantFrom(null, "", "a.1", "a..b", "A.b.", "b.c") },
  ),
  alpn: fc.shuffledSubarray(["h2", "h3", "acme-tls/1", "x"]),
  versions: fc.subarray([0x0302, 0x0303, 0x0304, 0x7f1c]),
  source: fc.constantFrom("10.1.2.3", "10.1.9.9", "10.9.9.9", "192.0.2.1", "2001:db8::1"),
  country: fc.constantFrom(null, "DE", "FR", "US"),
});

test("for any table and client the decision is that of the rules read literally", () => {
  fc.assert(
    fc.property(anyWorld, anyClient, (world, client) => {
      expect(told(decideIn(world, facts(client)))).toBe(literally(world, { alpn: [], versions: [], ...client }));
    }),
    { numRuns: 3_000 },
  );
});

/** The rules, sentence by sentence, over plain lists. */
function literally(world: World, client: Client): string {
  const { serverName, alpn = [], versions = [], source = "", country = null } = client;
  const address = parseAddress(source)!;
  const contained = (cidrs: readonly Cidr[]) => cidrs.filter((each) => cidrContains(each, address));
  const listed = (countries: readonly string[]) => country !== null && countries.includes(country);

  const afterAccess = (chosen: Route): string => {
    const { allow, deny, allowCountries, denyCountries, minTlsVersion } = chosen.lists.access;
    const isOpen = allow.length === 0 && allowCountries.length === 0;
    if (contained(deny).length > 0 || listed(denyCountries)) return `denied ${chosen.uid}`;
    if (!isOpen && contained(allow).length === 0 && !listed(allowCountries)) return `denied ${chosen.uid}`;
    const highest = Math.max(0, ...versions.filter((each) => each <= 0x03ff));
    return highest < minTlsVersion ? `tls_version ${chosen.uid}` : chosen.uid;
  };
  const byDefault = (chosen: Route | null, otherwise: string): string =>
    chosen === null || alpn.includes("acme-tls/1") ? otherwise : afterAccess(chosen);

  if (serverName === null || serverName === "") return byDefault(world.noSni, "no_sni");
  const name = serverName.toLowerCase().replace(/\.$/, "");
  if (name.includes("..") || /\d$/.test(name)) return "no_route";

  const labels = name.split(".");
  for (let depth = 0; depth < labels.length; depth++) {
    const base = labels.slice(depth).join(".");
    const hostname = depth === 0 ? name : `*.${base}`;
    const routes = world.routes.filter(
      (each) => each.hostnames.includes(hostname) && (depth <= 1 || each.wildcardDepth === "any"),
    );
    const barred = world.barriers.some(
      (each) => each.name === hostname || (each.name === base && (depth === 0 || each.tree)),
    );
    if (routes.length > 0) return among(routes);
    if (barred) return "no_route";
  }
  return byDefault(world.unmatched, "no_route");

  function among(routes: Route[]): string {
    const others = routes.filter(({ lists: { criteria } }) => {
      const { sourceCidrs, countries } = criteria;
      if (sourceCidrs.length > 0 && contained(sourceCidrs).length === 0) return false;
      return countries.length === 0 || listed(countries);
    });
    const matching = others.filter(
      ({ lists }) => lists.criteria.alpn.length === 0 || alpn.some((each) => lists.criteria.alpn.includes(each)),
    );
    if (matching.length === 0) return others.length > 0 ? "no_match alpnOnly" : "no_match";
    const prefix = (each: Route) =>
      Math.max(-1, ...contained(each.lists.criteria.sourceCidrs).map(({ prefixLength }) => prefixLength));
    const offer = (each: Route) => alpn.findIndex((protocol) => each.lists.criteria.alpn.includes(protocol));
    const sortKey = (each: Route) =>
      [
        each.lists.criteria.alpn.length > 0 ? 0 : 1,
        500 - prefix(each),
        each.lists.criteria.countries.length > 0 ? 0 : 1,
        5 + offer(each),
        each.uid,
      ].join(" ");
    return afterAccess(matching.toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1))[0]!);
  }
}
