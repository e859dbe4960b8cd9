// A limit that comes to a route that is in use counts who is open already, in every worker, and ends none of them.
import { describe, expect, test } from "vitest";
import { OnReject } from "@helloway/proto/table";
import type { RouteOptions } from "../../harness/table-objects.ts";
import { defaultRoute, routeObject, settingsObject } from "../../harness/table-objects.ts";
import { startSayingBackend } from "../../harness/saying-backend.ts";
import { backendFields, type MakeRelay, routeTo, useOneEngine } from "./fixture.ts";
import { enforced, leave, name, observed, wave } from "./limits.ts";

const sources = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];
/** No test grants this backend, so that the edge refuses the edit. */
const refused = { backends: [{ host: "10.9.8.7", port: 443 }] };

export function defineLimitsLater(makeRelay: MakeRelay): void {
  describe("limits that come to a route in use", () => {
    const start = useOneEngine(makeRelay);

    test("count who is open at the route, and give the place back when that one leaves", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(name, backend);
      const open = (await wave(engine, 20, ...sources)).admitted;
      expect(await engine.edit(routeTo(name, backend, enforced({ connections: 25 })))).toEqual([]);
      const first = await wave(engine, 20, ...sources);
      expect([open.length, first.admitted.length]).toEqual([20, 5]);
      await leave(engine, open.slice(0, 8), 8);
      const second = await wave(engine, 20);
      expect(second.admitted.length).toBe(8);
      await leave(engine, [...open.slice(8), ...first.admitted, ...second.admitted], 33);
      const last = await wave(engine, 30);
      expect(last.admitted.length).toBe(25);
      await leave(engine, last.admitted, 58);
      await engine.closes(name, { client_closed: 58, limited: 15 + 12 + 5 });
    });

    test("count who is open of each source", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(name, backend, enforced({ connections: 100 }));
      const open = (await wave(engine, 10, "127.0.0.2")).admitted;
      expect(await engine.edit(routeTo(name, backend, enforced({ connectionsPerSource: 12 })))).toEqual([]);
      const first = await wave(engine, 40, "127.0.0.2", "127.0.0.3");
      expect([open.length, first.admitted.length]).toEqual([10, 2 + 12]);
      await leave(engine, open, 10);
      const second = await wave(engine, 20, "127.0.0.2");
      expect(second.admitted.length).toBe(10);
      await leave(engine, [...first.admitted, ...second.admitted], 34);
    });

    test("end nobody when more are open than they allow, and let nobody in until enough have left", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(name, backend);
      const open = (await wave(engine, 12)).admitted;
      await engine.serveOne(name, backend, enforced({ connections: 10 }));
      expect((await wave(engine, 5)).refused).toBe(5);
      await leave(engine, open.slice(0, 2), 2);
      expect((await wave(engine, 5)).refused).toBe(5);
      await leave(engine, open.slice(2, 3), 3);
      const next = await wave(engine, 5);
      expect(next.admitted.length).toBe(1);
      expect(open.slice(3).map(({ ended }) => ended)).toEqual(Array(9).fill(null));
      await leave(engine, [...open.slice(3), ...next.admitted], 13);
      await engine.closes(name, { client_closed: 13, limited: 14 });
    });

    test("count nobody twice, however often they come, change and go", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      const serve = (more: Partial<RouteOptions>) => engine.edit(routeTo(name, backend, more));
      await engine.serveOne(name, backend, enforced({ connections: 4 }));
      const open = (await wave(engine, 4)).admitted;
      await serve({});
      open.push(...(await wave(engine, 4)).admitted);
      for (const limits of [{ connections: 9 }, { connections: 9, connectionsPerSource: 30 }, { connections: 10 }]) {
        await serve({});
        await serve(enforced(limits));
      }
      const first = await wave(engine, 10);
      expect([open.length, first.admitted.length]).toEqual([8, 2]);
      await leave(engine, [...open, ...first.admitted], 10);
      await serve(enforced({ connections: 10, connectionsPerSource: 9 }));
      const second = await wave(engine, 20);
      expect(second.admitted.length).toBe(9);
      await leave(engine, second.admitted, 19);
    });

    test("count who is open, and who is over them, while they only observe", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(name, backend);
      const open = (await wave(engine, 5)).admitted;
      expect(await engine.edit(routeTo(name, backend, observed({ connections: 6 })))).toEqual([]);
      open.push(...(await wave(engine, 3)).admitted);
      expect([open.length, (await engine.route(name))!.overLimit]).toEqual([8, 2]);
      await leave(engine, open, 8);
    });

    test("count who is open at a default of the pool", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      const settings = (more: Partial<RouteOptions>) =>
        settingsObject({ unmatched: defaultRoute("@unmatched", [backendFields(backend)], more) });
      await engine.serve(settings({}));
      const open = (await wave(engine, 5)).admitted;
      expect(await engine.edit(settings(enforced({ connections: 7 })))).toEqual([]);
      open.push(...(await wave(engine, 10)).admitted);
      expect(open.length).toBe(7);
      for (const client of open) client.end();
      await engine.closes("@unmatched", { client_closed: 7, limited: 8 });
    });

    test("count who is open at a route that serves its last good version", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      await engine.serveOne(name, backend);
      const open = (await wave(engine, 5)).admitted;
      const edit = { ...refused, ...enforced({ connections: 7 }) };
      expect(await engine.edit(routeTo(name, backend, edit))).toEqual(["backend_not_allowed"]);
      open.push(...(await wave(engine, 10)).admitted);
      expect(open.length).toBe(7);
      await leave(engine, open, 7);
    });

    test("count who is open at a route that is served with them only by a later edit of another", async () => {
      await using backend = await startSayingBackend("in", "stay");
      const engine = await start();
      const other = "other.example.test";
      await engine.serveOne(name, backend);
      await engine.edit(routeTo(other, backend));
      const open = (await wave(engine, 5)).admitted;
      // It claims a name that the other route holds with the same criteria.
      const hostnames = [name, other];
      const claim = routeTo(name, backend, { hostnames, ...enforced({ connections: 7 }), onReject: OnReject.DROP });
      expect(await engine.edit(claim)).toEqual(["hostname_taken"]);
      expect(
        await engine.edit(routeObject(other, { hostnames: ["x.test"], backends: [backendFields(backend)] })),
      ).toEqual([]);
      open.push(...(await wave(engine, 10)).admitted);
      expect(open.length).toBe(7);
      await leave(engine, open, 7);
    });
  });
}
