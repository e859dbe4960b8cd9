// What becomes of a route whose newest version an edge refuses: an earlier one serves on, under the newest terms, or nothing does.
import { describe, expect, test } from "vitest";
import { LimitMode, OnReject } from "@helloway/proto/table";
import { startSayingBackend } from "../../harness/saying-backend.ts";
import { defaultRoute, routeObject, type RouteOptions, settingsObject } from "../../harness/table-objects.ts";
import { alpn, latin1 } from "../../vectors/hello-bytes.ts";
import { backendFields, type MakeRelay, routeTo, useOneEngine } from "./fixture.ts";
import { ask, firstWord } from "./outcome.ts";

const name = "app.example.test";

/** No test grants this backend, so that the edge refuses the edit. */
const refused = { backends: [{ host: "10.9.8.7", port: 443 }] };

const h2 = { match: { alpn: [latin1("h2")] } };

export function defineKept(makeRelay: MakeRelay): void {
  describe("a kept version", () => {
    const start = useOneEngine(makeRelay);

    test("serves under the newest match", async () => {
      await using backend = await startSayingBackend("kept");
      const engine = await start();
      await engine.serveOne(name, backend);
      expect(await engine.edit(routeTo(name, backend, { ...refused, ...h2 }))).toEqual(["backend_not_allowed"]);
      expect(await ask(engine, name)).toBe("alert 78");
      expect(await ask(engine, name, undefined, alpn("h2"))).toBe("kept");
      expect(await engine.edit(routeTo(name, backend, refused))).toEqual(["backend_not_allowed"]);
      expect(await ask(engine, name)).toBe("kept");
    });

    test("serves under the newest access", async () => {
      await using backend = await startSayingBackend("kept");
      const engine = await start();
      await engine.serveOne(name, backend, { access: { deny: ["127.0.0.2/32"] } });
      const edit = { ...refused, access: { deny: ["127.0.0.3/32"] } };
      expect(await engine.edit(routeTo(name, backend, edit))).toEqual(["backend_not_allowed"]);
      expect(await ask(engine, name, "127.0.0.2")).toBe("kept");
      expect(await ask(engine, name, "127.0.0.3")).toBe("alert 70");
    });

    test("serves under the newest limits", async () => {
      await using backend = await startSayingBackend("kept", "stay");
      const engine = await start();
      await engine.serveOne(name, backend);
      const edit = { ...refused, limits: { connections: 1, mode: LimitMode.ENFORCE } };
      expect(await engine.edit(routeTo(name, backend, edit))).toEqual(["backend_not_allowed"]);
      const first = await engine.hello(name);
      expect(await firstWord(first)).toBe("kept");
      expect(await ask(engine, name)).toBe("alert 50");
      first.end();
      await engine.closes(name, { client_closed: 1, limited: 1 });
    });

    test("leaves its hostname to another route whose criteria the newest version has taken for itself", async () => {
      await using kept = await startSayingBackend("kept");
      await using other = await startSayingBackend("other");
      const engine = await start();
      const one = (more: Partial<RouteOptions>) =>
        routeObject("one", { hostnames: [name], backends: [backendFields(kept)], ...more });
      const two = (more: Partial<RouteOptions>) =>
        routeObject("two", { hostnames: [name], backends: [backendFields(other)], ...more });
      await engine.serve(one({}));
      expect(await engine.edit(one({ ...refused, ...h2 }), two({}))).toEqual(["backend_not_allowed"]);
      expect(await ask(engine, name)).toBe("other");
      expect(await ask(engine, name, undefined, alpn("h2"))).not.toBe("alert 70");
    });

    test.each<[string, Partial<RouteOptions>]>([
      ["match", { match: { sourceCidrs: ["nowhere"] } }],
      ["match that needs a database", { match: { countries: ["DE"] } }],
      ["access", { access: { allow: ["127.0.0.1/8"] } }],
      ["access that needs a database", { access: { denyCountries: ["DE"] } }],
      ["minimum of TLS versions", { access: { minTlsVersion: 7 } }],
      ["limit", { limits: { connections: 1, mode: 7 as LimitMode } }],
    ])("serves nothing when the newest %s is what the edge refuses", async (_what, edit) => {
      await using backend = await startSayingBackend("old");
      const engine = await start();
      await engine.serveOne(name, backend);
      const { refused: told } = await engine.relay.apply({
        snapshot: false,
        objects: [routeTo(name, backend, edit)],
        removals: [],
      });
      expect(told).toMatchObject([{ kept: null }]);
      expect(await ask(engine, name)).toBe("alert 70");
      await engine.closes("-", { no_route: 1 });
    });

    test.each<[string, Partial<RouteOptions>]>([
      ["says drop", { ...refused, onReject: OnReject.DROP }],
      ["has access that the edge refuses", { access: { allow: ["nowhere"] } }],
    ])("that is dropped because it %s leaves its hostnames to no wildcard and no default", async (_what, edit) => {
      await using backend = await startSayingBackend("old");
      await using wide = await startSayingBackend("wide");
      const engine = await start();
      await engine.serve(
        settingsObject({ unmatched: defaultRoute("@unmatched", [backendFields(wide)]) }),
        routeObject("wide", { hostnames: ["*.example.test"], backends: [backendFields(wide)] }),
        routeObject("app", { hostnames: [name, "app.test"], backends: [backendFields(backend)] }),
      );
      const dropped = routeObject("app", {
        hostnames: [name, "app.test"],
        backends: [backendFields(backend)],
        ...edit,
      });
      expect((await engine.edit(dropped)).length).toBe(1);
      expect(await ask(engine, name)).toBe("alert 70");
      expect(await ask(engine, "app.test")).toBe("alert 70");
      expect(await ask(engine, "other.example.test")).toBe("wide");
      await engine.closes("-", { no_route: 2 });
      // With the route gone its names are anybody's.
      const removals = [{ kind: "route" as const, id: dropped.id }];
      await engine.relay.apply({ snapshot: false, objects: [], removals });
      expect(await ask(engine, name)).toBe("wide");
      expect(await ask(engine, "app.test")).toBe("wide");
    });
  });
}
