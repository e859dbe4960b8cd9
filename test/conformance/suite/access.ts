// Whom a route lets in: networks, countries, and the versions of TLS that a client offers.
import { describe, expect, test } from "vitest";
import type { RouteOptions } from "../../harness/table-objects.ts";
import { connectRaw } from "../../harness/raw-client.ts";
import { writeCountryFile } from "../../harness/country-file.ts";
import { startSayingBackend } from "../../harness/saying-backend.ts";
import { defaultRoute, settingsObject } from "../../harness/table-objects.ts";
import { clientHello, record, serverName, supportedVersions } from "../../vectors/hello-bytes.ts";
import { backendFields, helloFor, type MakeRelay, routeTo, useOneEngine } from "./fixture.ts";
import { ask, outcome, say } from "./outcome.ts";

const name = "app.example.test";
const german = "127.0.0.17";
const french = "127.0.0.33";
const nowhere = "127.9.9.9";
const countries = { "127.0.0.16/28": "DE", "127.0.0.32/28": "FR" };

type Access = NonNullable<RouteOptions["access"]>;

/** Who is let in of those who ask from these addresses. */
const lists: [string, Access, Record<string, boolean>][] = [
  ["whom deny lists", { deny: ["127.0.0.16/28"] }, { [german]: false, [french]: true, [nowhere]: true }],
  ["whom allow does not list", { allow: ["127.0.0.16/28"] }, { [german]: true, [french]: false, [nowhere]: false }],
  [
    "whom both list",
    { allow: ["127.0.0.16/28"], deny: ["127.0.0.16/30"] },
    { [german]: false, "127.0.0.30": true, [french]: false },
  ],
  ["whose country is denied", { denyCountries: ["DE"] }, { [german]: false, [french]: true, [nowhere]: true }],
  ["whose country is not allowed", { allowCountries: ["DE"] }, { [german]: true, [french]: false, [nowhere]: false }],
  [
    "whom neither allow nor allowCountries lists",
    { allow: ["127.9.0.0/16"], allowCountries: ["FR"] },
    { [german]: false, [french]: true, [nowhere]: true },
  ],
  [
    "whose country is denied though allow lists them",
    { allow: ["127.0.0.0/8"], denyCountries: ["FR"] },
    { [german]: true, [french]: false, [nowhere]: true },
  ],
];

const tls = { "1.1": 0x0302, "1.2": 0x0303, "1.3": 0x0304 } as const;
const GREASE = 0xfafa;

function offering(...versions: number[]): Buffer {
  return helloFor(name, supportedVersions(...versions));
}

/** No supported_versions: everything up to this one. */
function upTo(legacyVersion: number): Uint8Array {
  return record(clientHello({ legacyVersion, extensions: [serverName(name)] }));
}

const versions: [string, number, Uint8Array, string][] = [
  ["serves who offers exactly the minimum", tls["1.2"], offering(tls["1.2"]), "in"],
  ["serves whose highest is above it, whatever else is offered", tls["1.3"], offering(tls["1.1"], tls["1.3"]), "in"],
  ["refuses whose highest is below it", tls["1.3"], offering(tls["1.2"], tls["1.1"]), "alert 46"],
  ["does not take GREASE for a version", tls["1.3"], offering(GREASE, tls["1.2"]), "alert 46"],
  ["takes an old hello by its legacy version", tls["1.2"], upTo(tls["1.2"]), "in"],
  ["refuses an old hello by its legacy version", tls["1.2"], upTo(tls["1.1"]), "alert 46"],
  ["believes no legacy version above 1.2", tls["1.3"], upTo(tls["1.3"]), "alert 46"],
];

export function defineAccess(makeRelay: MakeRelay): void {
  describe("access", () => {
    const start = useOneEngine(makeRelay);

    test.each(lists)("denies those %s, and counts them at the route", async (_whom, access, expected) => {
      await using database = await writeCountryFile(countries);
      await using backend = await startSayingBackend("in");
      const engine = await start({ geoDatabase: database.path });
      await engine.serveOne(name, backend, { access });
      const told = Object.entries(expected);
      for (const [from, isIn] of told) {
        expect([from, await ask(engine, name, from)]).toEqual([from, isIn ? "in" : "alert 70"]);
      }
      const denied = told.filter(([, isIn]) => !isIn).length;
      await engine.closes(name, { denied, backend_closed: told.length - denied });
      expect(backend.count).toBe(told.length - denied);
    });

    test("denies IPv6 clients by their own networks", async () => {
      await using backend = await startSayingBackend("in");
      const engine = await start();
      await engine.serveOne(name, backend, { access: { deny: ["::1/128"] } });
      const overIpv6 = await connectRaw(engine.ipv6);
      overIpv6.send(helloFor(name));
      expect(await outcome(overIpv6)).toBe("alert 70");
      expect(await ask(engine, name)).toBe("in");
      await engine.closes(name, { denied: 1, backend_closed: 1 });
    });

    test.each(versions)("%s", async (_what, minTlsVersion, hello, expected) => {
      await using backend = await startSayingBackend("in");
      const engine = await start();
      await engine.serveOne(name, backend, { access: { minTlsVersion } });
      expect(await outcome(await say(engine, hello))).toBe(expected);
      await engine.closes(name, expected === "in" ? { backend_closed: 1 } : { tls_version: 1 });
    });

    test("holds for the pool's defaults too", async () => {
      await using backend = await startSayingBackend("in");
      const engine = await start();
      const backends = [backendFields(backend)];
      await engine.serve(
        settingsObject({
          noSni: defaultRoute("@noSni", backends, { access: { deny: ["127.0.0.2/32"] } }),
          unmatched: defaultRoute("@unmatched", backends, { access: { minTlsVersion: tls["1.3"] } }),
        }),
      );
      const nameless = record(clientHello());
      expect(await outcome(await say(engine, nameless))).toBe("in");
      expect(await outcome(await say(engine, nameless, "127.0.0.2"))).toBe("alert 70");
      expect(await outcome(await say(engine, offering(tls["1.3"])))).toBe("in");
      expect(await outcome(await say(engine, offering(tls["1.2"])))).toBe("alert 46");
      await engine.closes("@noSni", { denied: 1, backend_closed: 1 });
      await engine.closes("@unmatched", { tls_version: 1, backend_closed: 1 });
    });

    test("takes an edit for new connections and leaves the established ones alone", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(name, backend);
      const old = await engine.hello(name);
      await old.bytes(2);
      await engine.serveOne(name, backend, { access: { deny: ["127.0.0.0/8"] } });
      expect(await ask(engine, name)).toBe("alert 70");
      expect(old.ended).toBe(null);
      old.end();
      await engine.closes(name, { denied: 1, client_closed: 1 });
    });

    test.each<[string, Access]>([
      ["allowCountries", { allowCountries: ["DE"] }],
      ["denyCountries", { denyCountries: ["DE"] }],
    ])("refuses a route with %s when there is no database", async (_what, access) => {
      await using backend = await startSayingBackend("in");
      const engine = await start();
      const { refused } = await engine.relay.apply({
        snapshot: true,
        removals: [],
        objects: [settingsObject(), routeTo(name, backend, { access })],
      });
      expect(refused).toMatchObject([{ code: "geo_database_missing", kept: null }]);
      expect(await ask(engine, name)).toBe("alert 70");
      expect(backend.count).toBe(0);
    });
  });
}
