// Backends are untrusted input: however an address is spelt or a name resolves, only what was checked and granted is dialled.
import { describe, expect, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import { startDnsServer } from "../../harness/dns-server.ts";
import { startSayingBackend } from "../../harness/saying-backend.ts";
import { settingsObject } from "../../harness/table-objects.ts";
import { startTcpBackend } from "../../harness/tcp-backend.ts";
import { expectRefusal, type MakeRelay, routeTo, useEngines, useOneEngine } from "./fixture.ts";
import { ask } from "./outcome.ts";

const name = "app.example.test";
const anyPort = [{ from: 1, to: 65_535 }];
/** Everything that can be granted but loopback. */
const notLoopback = { default: { cidrs: ["public", "::/0", "10.0.0.0/8", "169.254.0.0/16"], ports: anyPort } };

export function defineBackendAddresses(makeRelay: MakeRelay): void {
  describe("addresses of backends", () => {
    const start = useEngines(makeRelay);
    const startOne = useOneEngine(makeRelay);

    test.each(["127.1", "0x7f.1", "0x7f000001", "2130706433", "0", "0177.0.0.1", "127.0.0.1.", "127.0.0.01"])(
      "are never spelt %s",
      async (host) => {
        await using backend = await startTcpBackend();
        const engine = await startOne();
        await engine.serve();
        expect(await engine.edit(routeTo(name, { host, port: backend.port }))).toEqual(["bad_backend"]);
        await expectRefusal(await engine.hello(name), alerts.unrecognizedName);
        expect(backend.count).toBe(0);
      },
    );

    test.each([
      "::ffff:127.0.0.1",
      "::127.0.0.1",
      "64:ff9b::7f00:1",
      "64:ff9b:1::7f00:1",
      "2002:7f00:1::",
      "2001:0:7f00:1::1",
      "fe80::5efe:7f00:1",
      "127.0.0.1",
      "::1",
      "0.0.0.0",
      "::",
    ])("that a name resolves to are not dialled as %s where loopback was not granted", async (answer) => {
      await using dns = await startDnsServer();
      await using backend = await startTcpBackend();
      const engine = await start({ dnsServers: [dns.address] });
      dns.set("evil.example", [answer]);
      await engine.serve(
        settingsObject({ grants: notLoopback }),
        routeTo(name, { host: "evil.example", port: backend.port }),
      );
      await expectRefusal(await engine.hello(name), alerts.internalError);
      await engine.closes(name, { no_backend: 1 });
      expect(backend.count).toBe(0);
      expect((await engine.route(name))!.backends.get(`evil.example:${backend.port}`)?.attempts ?? 0).toBe(0);
    });

    test.each(["169.254.169.254", "::ffff:169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200"])(
      "of metadata services are not dialled as %s, whatever is granted",
      async (answer) => {
        await using dns = await startDnsServer();
        const engine = await start({ dnsServers: [dns.address] });
        dns.set("metadata.example", [answer]);
        const everything = { default: { cidrs: ["0.0.0.0/0", "::/0"], ports: anyPort } };
        await engine.serve(
          settingsObject({ grants: everything }),
          routeTo(name, { host: "metadata.example", port: 80 }),
        );
        await expectRefusal(await engine.hello(name), alerts.internalError);
        await engine.closes(name, { no_backend: 1 });
        expect([...(await engine.route(name))!.backends.values()].every(({ attempts }) => attempts === 0)).toBe(true);
      },
    );

    test("of the fleet are not dialled on any port, by name or by address", async () => {
      await using dns = await startDnsServer();
      const engine = await start({ dnsServers: [dns.address] });
      dns.set("ours.example", ["203.0.113.7"]);
      const settings = { grants: notLoopback, fleetAddresses: ["203.0.113.7"] };
      await engine.serve(settingsObject(settings), routeTo(name, { host: "ours.example", port: 8_443 }));
      await expectRefusal(await engine.hello(name), alerts.internalError);
      await engine.closes(name, { no_backend: 1 });
      expect(await engine.edit(routeTo(name, { host: "203.0.113.7", port: 22 }))).toEqual(["backend_not_allowed"]);
    });

    test("that are reserved sockets are not dialled, and their neighbours are", async () => {
      await using dns = await startDnsServer();
      await using reserved = await startTcpBackend();
      await using free = await startSayingBackend("free");
      const engine = await start({ dnsServers: [dns.address] });
      dns.set("loopback.example", ["127.0.0.1"]);
      const reservedSockets = [{ address: "0.0.0.0", port: reserved.port }];
      await engine.serve(
        settingsObject({ reservedSockets }),
        routeTo(name, { host: "loopback.example", port: reserved.port }),
        routeTo("free.example.test", { host: "loopback.example", port: free.port }),
      );
      await expectRefusal(await engine.hello(name), alerts.internalError);
      await engine.closes(name, { no_backend: 1 });
      expect(await ask(engine, "free.example.test")).toBe("free");
      const literal = routeTo(name, { host: "127.0.0.1", port: reserved.port });
      expect(await engine.edit(literal)).toEqual(["backend_not_allowed"]);
      expect(reserved.count).toBe(0);
    });

    test("are those that were checked, when a name answers otherwise each time", async () => {
      await using dns = await startDnsServer();
      await using granted = await startSayingBackend("granted");
      const engine = await start({ dnsServers: [dns.address] });
      let asked = 0;
      // No answer lives, so that a second question between check and dial would get the other one.
      dns.set("rebinding.example", () => (asked++ % 2 === 0 ? ["127.0.0.1"] : ["127.0.0.2"]), 0);
      await using elsewhere = await startTcpBackend({ host: "127.0.0.2", port: granted.port });
      await engine.serve(
        settingsObject({ grants: { default: { cidrs: ["127.0.0.1/32"], ports: anyPort } } }),
        routeTo(name, { host: "rebinding.example", port: granted.port }),
      );
      const outcomes: string[] = [];
      for (let i = 0; i < 40; i++) outcomes.push(await ask(engine, name));
      expect(outcomes).toContain("granted");
      expect(new Set(outcomes).size).toBeLessThanOrEqual(2);
      expect(elsewhere.count).toBe(0);
      const { attempts } = (await engine.route(name))!.backends.get(`rebinding.example:${granted.port}`)!;
      expect(attempts).toBe(granted.count);
    });
  });
}
