// What becomes of updates: one swap, refusals object by object, and connections that never notice.
import { describe, expect, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import type { TableObject } from "@helloway/edge/relay/relay";
import { OnReject, WildcardDepth } from "@helloway/proto/table";
import {
  barrierObject,
  defaultRoute,
  routeObject,
  type RouteOptions,
  routeUid,
  settingsObject,
  tableObject,
} from "../../harness/table-objects.ts";
import { startTcpBackend } from "../../harness/tcp-backend.ts";
import {
  backendFields,
  type Engine,
  expectRefusal,
  helloFor,
  type MakeRelay,
  routeTo,
  useEngines,
  useOneEngine,
} from "./fixture.ts";

const name = "app.example.test";

/** A backend that says who it is and closes. */
async function saying(word: string) {
  return await startTcpBackend({ onConnection: (peer) => peer.end(word) });
}

/** What answers to a name; null: refused as an unknown name. */
async function answer(engine: Engine, host: string): Promise<string | null> {
  const client = await engine.hello(host);
  await client.over();
  client.end();
  const said = client.received();
  if (said[0] !== 0x15) return said.toString();
  expect(said[6]).toBe(alerts.unrecognizedName);
  return null;
}

/** As it comes back: its bytes in arrays of their own. */
function plain(object: TableObject): TableObject {
  return { ...object, body: new Uint8Array(object.body), hash: new Uint8Array(object.hash) };
}

/** An address that no test grants. */
const forbidden = { host: "10.9.8.7", port: 443 };

export function defineTables(makeRelay: MakeRelay): void {
  describe("updates", () => {
    const start = useOneEngine(makeRelay);
    const startFresh = useEngines(makeRelay);

    test("serves a new version to new connections and leaves the established ones alone", async () => {
      await using before = await startTcpBackend();
      await using after = await saying("after");
      const engine = await start();
      await engine.serveOne(name, before);
      const client = await engine.hello(name);
      const upstream = await before.next();
      await upstream.bytes(helloFor(name).length);
      expect(await engine.edit(routeObject(name, { hostnames: [name], backends: [backendFields(after)] }))).toEqual([]);
      expect(await answer(engine, name)).toBe("after");
      await engine.relay.apply({
        snapshot: false,
        objects: [],
        removals: [{ kind: "route", id: routeUid(name) }],
      });
      expect(await answer(engine, name)).toBe(null);
      upstream.send("still");
      expect((await client.bytes(5)).toString()).toBe("still");
      expect((await engine.route(name))!.opened).toBe(2);
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.end();
      await engine.closes(name, { backend_closed: 1, client_closed: 1 });
    });

    test("forgets with a snapshot what the snapshot does not bring", async () => {
      await using backend = await saying("here");
      const engine = await start();
      await engine.serveOne(name, backend);
      await engine.serveOne("other.example.test", backend);
      expect(await answer(engine, name)).toBe(null);
      expect(await answer(engine, "other.example.test")).toBe("here");
    });

    test("keeps the last good version of a refused edit, and says which", async () => {
      await using backend = await saying("good");
      const engine = await start();
      const good = routeObject(name, { hostnames: [name], backends: [backendFields(backend)] });
      await engine.serve(good);
      const bad = routeObject(name, { hostnames: [name], backends: [forbidden] });
      const { refused } = await engine.relay.apply({ snapshot: false, objects: [bad], removals: [] });
      expect(refused).toMatchObject([
        { kind: "route", id: routeUid(name), code: "backend_not_allowed", kept: plain(good) },
      ]);
      expect(refused[0]!.offeredHash).toEqual(plain(bad).hash);
      expect(await answer(engine, name)).toBe("good");
      // It stands until the object changes, and is gone then.
      expect(await engine.edit(barrierObject("elsewhere.test", false))).toEqual(["backend_not_allowed"]);
      expect(await engine.edit(good)).toEqual([]);
    });

    test("takes an edit of thousands of routes like one of few: the others keep what they hold, and what is refused is kept", async () => {
      await using first = await saying("first");
      await using last = await saying("last");
      const engine = await start();
      const many = (backend: { host: string; port: number }) =>
        Array.from({ length: 1_500 }, (_, i) =>
          routeObject(`r${i}`, { hostnames: [`r${i}.test`], backends: [backendFields(backend)] }),
        );
      await engine.serve(routeTo(name, first), routeTo("other.example.test", first), ...many(first));
      const bad = routeObject(name, { hostnames: [name], backends: [forbidden] });
      // Whatever their ids are: one of eight would come before who holds it.
      const late = Array.from({ length: 8 }, (_, i) =>
        routeObject(`late${i}`, { hostnames: ["other.example.test"], backends: [backendFields(last)] }),
      );
      const codes = await engine.edit(bad, ...late, ...many(last));
      expect(codes.sort()).toEqual(["backend_not_allowed", ...late.map(() => "hostname_taken")]);
      expect(await answer(engine, name)).toBe("first");
      expect(await answer(engine, "other.example.test")).toBe("first");
      expect(await answer(engine, "r1499.test")).toBe("last");
      const removals = many(last).map(({ kind, id }) => ({ kind, id }));
      await engine.relay.apply({ snapshot: false, objects: [], removals });
      expect(await answer(engine, "r0.test")).toBe(null);
      expect(await answer(engine, name)).toBe("first");
    });

    test("keeps a refused version only for hostnames that the newest version still has and nobody else holds", async () => {
      await using old = await saying("old");
      await using other = await saying("other");
      const engine = await start();
      const hostnames = ["a.example.test", "b.example.test", "c.example.test"];
      await engine.serve(routeObject("one", { hostnames, backends: [backendFields(old)] }));
      await engine.edit(routeObject("one", { hostnames: hostnames.slice(0, 2), backends: [forbidden] }));
      expect(await Promise.all(hostnames.map((each) => answer(engine, each)))).toEqual(["old", "old", null]);
      await engine.edit(routeObject("two", { hostnames: ["b.example.test"], backends: [backendFields(other)] }));
      expect(await Promise.all(hostnames.map((each) => answer(engine, each)))).toEqual(["old", "other", null]);
    });

    test("serves a kept version under the newest wildcardDepth", async () => {
      await using backend = await saying("here");
      const engine = await start();
      const route = (options: Partial<RouteOptions>) =>
        routeObject("wild", { hostnames: ["*.example.test"], backends: [backendFields(backend)], ...options });
      await engine.serve(route({}));
      expect(await answer(engine, "a.b.example.test")).toBe("here");
      await engine.edit(route({ wildcardDepth: WildcardDepth.ONE, backends: [forbidden] }));
      expect(await answer(engine, "a.b.example.test")).toBe(null);
      expect(await answer(engine, "b.example.test")).toBe("here");
    });

    test.each<[string, Partial<RouteOptions>, string]>([
      ["says drop", { backends: [forbidden], onReject: OnReject.DROP }, "backend_not_allowed"],
      ["needs a feature that this edge lacks", { requires: ["telepathy"] }, "unsupported_feature"],
      ["has an unknown wildcardDepth", { wildcardDepth: 7 as WildcardDepth }, "unknown_value"],
      ["has an unknown onReject", { onReject: 7 as OnReject }, "unknown_value"],
    ])("drops a route whose refused version %s", async (_what, edit, code) => {
      await using backend = await saying("here");
      const engine = await start();
      const fields = { hostnames: [name], backends: [backendFields(backend)] };
      await engine.serve(routeObject(name, fields));
      const { refused } = await engine.relay.apply({
        snapshot: false,
        objects: [routeObject(name, { ...fields, ...edit })],
        removals: [],
      });
      expect(refused).toMatchObject([{ code, kept: null }]);
      expect(await answer(engine, name)).toBe(null);
    });

    test("drops a route whose newest version cannot be read", async () => {
      await using backend = await saying("here");
      const engine = await start();
      await engine.serveOne(name, backend);
      expect(await engine.edit(tableObject("route", routeUid(name), Buffer.from([0xff, 0xff, 0xff])))).toEqual([
        "unreadable",
      ]);
      expect(await answer(engine, name)).toBe(null);
    });

    test.each<[string, Partial<RouteOptions>, string]>([
      ["a hostname that is not canonical", { hostnames: ["App.example.test"] }, "bad_hostname"],
      ["an address for a hostname", { hostnames: ["192.0.2.1"] }, "bad_hostname"],
      ["no hostname", { hostnames: [] }, "bad_hostname"],
      ["no backend", { backends: [] }, "bad_backend"],
      ["a numeric spelling of an address", { backends: [{ host: "127.1", port: 1 }] }, "bad_backend"],
      ["an address that is not canonical", { backends: [{ host: "::0001", port: 1 }] }, "bad_backend"],
      ["port 0", { backends: [{ host: "127.0.0.1", port: 0 }] }, "bad_backend"],
      ["port 65536", { backends: [{ host: "127.0.0.1", port: 65_536 }] }, "bad_backend"],
      ["weight 0", { backends: [{ host: "127.0.0.1", port: 1, weight: 0 }] }, "bad_backend"],
      ["weight 1001", { backends: [{ host: "127.0.0.1", port: 1, weight: 1_001 }] }, "bad_backend"],
      ["priority 101", { backends: [{ host: "127.0.0.1", port: 1, priority: 101 }] }, "bad_backend"],
      ["a timeout of 0", { timeouts: { idleMs: 0 } }, "bad_timeouts"],
      ["another uid than its object", { uid: routeUid("another") }, "id_mismatch"],
      ["a backend that is never allowed", { backends: [{ host: "169.254.169.254", port: 80 }] }, "backend_not_allowed"],
    ])("refuses a route with %s and serves the rest of the update", async (_what, fields, code) => {
      await using backend = await saying("fine");
      const engine = await start();
      const backends = [backendFields(backend)];
      const { refused } = await engine.relay.apply({
        snapshot: true,
        removals: [],
        objects: [
          settingsObject(),
          routeObject("bad", { hostnames: [name], backends, ...fields }),
          routeObject("fine", { hostnames: ["fine.example.test"], backends }),
        ],
      });
      expect(refused).toMatchObject([{ kind: "route", id: routeUid("bad"), code, kept: null }]);
      expect(await answer(engine, "fine.example.test")).toBe("fine");
      expect(await answer(engine, name)).toBe(null);
    });

    test("refuses a backend that is a listener of its own, by any address of a wildcard's host", async () => {
      const engine = await start({ listen: [{ address: "0.0.0.0", port: 0 }] });
      await engine.serve();
      const { port } = engine.ipv4;
      for (const host of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]) {
        expect(await engine.edit(routeObject(name, { hostnames: [name], backends: [{ host, port }] }))).toEqual([
          "backend_not_allowed",
        ]);
      }
    });

    test("refuses a backend that is a listener bound after the table came", async () => {
      const engine = await start({ listen: [{ address: "127.0.0.1", port: 0 }], tableFirst: settingsObject() });
      const [bound] = engine.relay.listeners;
      const backends = [{ host: bound!.address, port: bound!.port }];
      expect(await engine.edit(routeObject(name, { hostnames: [name], backends }))).toEqual(["backend_not_allowed"]);
    });

    test("refuses a backend that is a further socket of its process", async () => {
      const engine = await start({ ownSockets: [{ address: "127.0.0.1", port: 9_443 }] });
      await engine.serve();
      const backends = [{ host: "127.0.0.1", port: 9_443 }];
      expect(await engine.edit(routeObject(name, { hostnames: [name], backends }))).toEqual(["backend_not_allowed"]);
    });

    test("lets one route hold a hostname and refuses the other until it is free", async () => {
      await using first = await saying("first");
      await using second = await saying("second");
      const engine = await start();
      const one = routeObject("one", { hostnames: [name], backends: [backendFields(first)] });
      await engine.serve(one);
      const two = routeObject("two", { hostnames: [name], backends: [backendFields(second)] });
      expect(await engine.edit(two)).toEqual(["hostname_taken"]);
      expect(await answer(engine, name)).toBe("first");
      const { refused } = await engine.relay.apply({
        snapshot: false,
        objects: [],
        removals: [{ kind: "route", id: one.id }],
      });
      expect(refused).toEqual([]);
      expect(await answer(engine, name)).toBe("second");
    });

    test("moves hostnames between routes in one update", async () => {
      await using first = await saying("first");
      await using second = await saying("second");
      const engine = await start();
      const route = (id: string, hostname: string, backend: { host: string; port: number }) =>
        routeObject(id, { hostnames: [hostname], backends: [backendFields(backend)] });
      await engine.serve(route("one", "a.test", first), route("two", "b.test", second));
      expect(await engine.edit(route("one", "b.test", first), route("two", "a.test", second))).toEqual([]);
      expect([await answer(engine, "a.test"), await answer(engine, "b.test")]).toEqual(["second", "first"]);
    });

    test("lets the innermost hostname decide, wildcards by depth, and barriers stop a wildcard", async () => {
      await using exact = await saying("exact");
      await using wide = await saying("wide");
      await using inner = await saying("inner");
      const engine = await start();
      await engine.serve(
        routeObject("exact", { hostnames: [name], backends: [backendFields(exact)] }),
        routeObject("wide", { hostnames: ["*.example.test"], backends: [backendFields(wide)] }),
        routeObject("inner", {
          hostnames: ["*.in.example.test"],
          wildcardDepth: WildcardDepth.ONE,
          backends: [backendFields(inner)],
        }),
        barrierObject("barred.example.test", true),
        barrierObject("alone.example.test", false),
      );
      const expected = {
        [name]: "exact",
        "APP.example.test.": "exact",
        "x.example.test": "wide",
        "x.y.example.test": "wide",
        "example.test": null,
        "x.in.example.test": "inner",
        "x.y.in.example.test": "wide",
        "barred.example.test": null,
        "x.barred.example.test": null,
        "alone.example.test": null,
        "x.alone.example.test": "wide",
      };
      for (const [host, who] of Object.entries(expected))
        expect([host, await answer(engine, host)]).toEqual([host, who]);
    });

    test("matches nothing that is no name of a host, whatever wildcard or default would take it", async () => {
      await using wide = await saying("wide");
      const engine = await start();
      const backends = [backendFields(wide)];
      await engine.serve(
        settingsObject({ unmatched: defaultRoute("@unmatched", backends) }),
        routeObject("wide", { hostnames: ["*.arpa", "*.example.test"], backends }),
      );
      const long = "a".repeat(63);
      const unmatchable = [
        "in-addr.arpa",
        "1.2.0.192.in-addr.arpa",
        "1.2.0.192.IN-ADDR.ARPA.",
        "ip6.arpa",
        "8.b.d.0.1.0.0.2.ip6.arpa",
        "127.1",
        "app.example.7",
        "app.example.0x7f",
        "app.example.0XFF",
        "2130706433",
        "0x7f000001",
        "app:443.example.test",
        "[::1]",
        "[192.0.2.1]",
        "*.example.test",
        "a*.example.test",
        "app@x.example.test",
        "app/x.example.test",
        "app x.example.test",
        "app\0.example.test",
        "app\xe9.example.test",
        `${long}a.example.test`,
        `${long}.${long}.${long}.${long}.example.test`,
      ];
      for (const host of unmatchable) expect([host, await answer(engine, host)]).toEqual([host, null]);
      await engine.closes("-", { no_route: unmatchable.length });
      const matchable = [
        "in-addr.arpa.example.test",
        "xip6.arpa",
        "0x7f.example.test",
        "127.0.0.1.example.test",
        "-_.example.test",
        `${long}.example.test`,
      ];
      for (const host of matchable) expect([host, await answer(engine, host)]).toEqual([host, "wide"]);
    });

    test("keeps a barrier whose newest version is refused", async () => {
      await using wide = await saying("wide");
      const engine = await start();
      const barrier = barrierObject("barred.example.test", true);
      await engine.serve(
        routeObject("wide", { hostnames: ["*.example.test"], backends: [backendFields(wide)] }),
        barrier,
      );
      expect(await engine.edit(tableObject("barrier", barrier.id, Buffer.from([0xff])))).toEqual(["unreadable"]);
      expect(await answer(engine, "x.barred.example.test")).toBe(null);
      await engine.relay.apply({ snapshot: false, objects: [], removals: [{ kind: "barrier", id: barrier.id }] });
      expect(await answer(engine, "x.barred.example.test")).toBe("wide");
    });

    test("checks everything anew when the settings change, and back", async () => {
      await using backend = await saying("here");
      const engine = await start();
      await engine.serveOne(name, backend);
      const nothing = settingsObject({ grants: { default: { cidrs: [], ports: [] } } });
      expect(await engine.edit(nothing)).toEqual(["backend_not_allowed"]);
      expect(await answer(engine, name)).toBe(null);
      expect(await engine.edit(settingsObject())).toEqual([]);
      expect(await answer(engine, name)).toBe("here");
    });

    test("keeps the last good settings when the newest are refused", async () => {
      await using backend = await saying("here");
      const engine = await start();
      await engine.serveOne(name, backend);
      const good = settingsObject();
      const { refused } = await engine.relay.apply({
        snapshot: false,
        objects: [settingsObject({ hello: { timeoutMs: 0, bytesMax: 32_768 } })],
        removals: [],
      });
      expect(refused).toMatchObject([{ kind: "settings", code: "bad_hello", kept: plain(good) }]);
      expect(await answer(engine, name)).toBe("here");
    });

    test("serves tightened settings even when a default of theirs is refused", async () => {
      await using backend = await saying("here");
      const engine = await start();
      await engine.serve(
        settingsObject({ unmatched: defaultRoute("@unmatched", [backendFields(backend)]) }),
        routeObject(name, { hostnames: [name], backends: [backendFields(backend)] }),
      );
      expect(await answer(engine, "nobody.test")).toBe("here");
      const tightened = settingsObject({
        grants: { default: { cidrs: ["127.0.0.0/8"], ports: [{ from: 1, to: 1 }] } },
        unmatched: defaultRoute("@unmatched", [backendFields(backend)]),
      });
      expect((await engine.edit(tightened)).sort()).toEqual(["backend_not_allowed", "backend_not_allowed"]);
      expect(await answer(engine, "nobody.test")).toBe(null);
      expect(await answer(engine, name)).toBe(null);
    });

    test("has nothing to serve without settings, and refuses what waits for them", async () => {
      await using backend = await saying("here");
      const engine = await startFresh();
      const route = routeObject(name, { hostnames: [name], backends: [backendFields(backend)] });
      const { refused } = await engine.relay.apply({ snapshot: true, objects: [route], removals: [] });
      expect(refused).toMatchObject([{ id: route.id, code: "no_settings" }]);
      expect(engine.relay.serving()).toBe(false);
      await expectRefusal(await engine.hello(name), alerts.internalError);
      expect(await engine.edit(settingsObject())).toEqual([]);
      expect(await answer(engine, name)).toBe("here");
    });

    test("takes kept versions back from disk with the snapshot at start", async () => {
      await using backend = await saying("kept");
      const engine = await startFresh();
      const good = routeObject(name, { hostnames: [name], backends: [backendFields(backend)] });
      const { refused } = await engine.relay.apply({
        snapshot: true,
        objects: [settingsObject(), routeObject(name, { hostnames: [name], backends: [forbidden] })],
        removals: [],
        kept: [good],
      });
      expect(refused).toMatchObject([{ code: "backend_not_allowed", kept: plain(good) }]);
      expect(await answer(engine, name)).toBe("kept");
    });

    test("refuses a kept version that today's settings do not allow", async () => {
      await using backend = await saying("kept");
      const engine = await start();
      const { refused } = await engine.relay.apply({
        snapshot: true,
        objects: [
          settingsObject({ grants: { default: { cidrs: [], ports: [] } } }),
          routeObject(name, { hostnames: [name], backends: [forbidden] }),
        ],
        removals: [],
        kept: [routeObject(name, { hostnames: [name], backends: [backendFields(backend)] })],
      });
      expect(refused).toMatchObject([{ code: "backend_not_allowed", kept: null }]);
      expect(await answer(engine, name)).toBe(null);
    });

    test("applies updates in the order they were given, whatever their size", async () => {
      await using first = await saying("first");
      await using last = await saying("last");
      const engine = await start();
      const many = Array.from({ length: 2_000 }, (_, i) =>
        routeObject(`r${i}`, { hostnames: [`r${i}.test`], backends: [backendFields(first)] }),
      );
      const route = (backend: { host: string; port: number }) =>
        routeObject(name, { hostnames: [name], backends: [backendFields(backend)] });
      await Promise.all([engine.serve(...many, route(first)), engine.edit(route(last))]);
      expect(await answer(engine, name)).toBe("last");
      expect(await answer(engine, "r1999.test")).toBe("first");
    });
  });
}
