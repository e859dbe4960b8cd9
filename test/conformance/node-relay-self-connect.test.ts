// What the agent's engine makes of a connection that its own system answers: where nobody listens on a port of this host, the port
// that a client is given may be that very one, and TCP connects it to itself (RFC 9293, section 3.5, simultaneous open). In a network
// of its own, which has no other ports to give.
import { expect, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import { routeUid, settingsObject } from "../harness/table-objects.ts";
import { startNetworkNamespace } from "./network-namespace.ts";
import { startRelayProcess } from "./node-relay-process.ts";
import { alertBytes, expectBalanced, helloFor, routeTo } from "./suite/fixture.ts";

const name = "app.example.test";
const listener = { address: "127.0.0.1", port: 443 };
const PORT = 40_010;
const VISITS = 20;

test.each(["127.0.0.1", "::1"])(
  "a port of %s on which nobody listens refuses, and is never the edge itself",
  async (host) => {
    await using network = await startNetworkNamespace({ clientPorts: { first: PORT, last: PORT + 1 } });
    await using relay = await startRelayProcess({ workers: 1, listen: [listener], within: network.enter });
    const objects = [settingsObject(), routeTo(name, { host, port: PORT })];
    expect(await relay.ask("apply", { snapshot: true, objects, removals: [] })).toEqual([]);
    for (let i = 0; i < VISITS; i++) {
      const client = await network.connect(listener);
      client.send(helloFor(name));
      await client.over();
      client.end();
      expect(client.received()).toEqual(alertBytes(alerts.internalError));
    }
    await expect.poll(async () => (await relay.ask("ended", null)).reasons).toEqual({ connect_failed: VISITS });
    const counters = await relay.ask("counters", null);
    expectBalanced(counters);
    const backend = counters.routes
      .get(routeUid(name))!
      .backends.get(host === "::1" ? `[::1]:${PORT}` : `${host}:${PORT}`);
    expect(backend).toMatchObject({ attempts: VISITS, failures: VISITS, opened: 0 });
  },
);
