// What the agent's engine does when a backend's address, which the policy grants and knows nothing else of, turns out to be the edge
// itself. In a network of its own, where the system really brings such a connection back to the edge's listeners.
import { readdirSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { LimitMode } from "@helloway/proto/table";
import type { RouteCounters } from "@helloway/edge/relay/relay";
import { alerts } from "@helloway/routing/alert";
import { type RouteOptions, routeUid, settingsObject } from "../harness/table-objects.ts";
import { type NetworkNamespace, startNetworkNamespace } from "./network-namespace.ts";
import { type RelayProcess, startRelayProcess } from "./node-relay-process.ts";
import { alertBytes, expectBalanced, helloFor, routeTo } from "./suite/fixture.ts";

const name = "app.example.test";
/** Networks for tests alone, whose every address is the edge's own though no interface has it. */
const networks = ["198.18.0.0/15", "fd00:198:18::/48"];
const listeners = ["0.0.0.0", "::"].map((address) => ({ address, port: 443 }));
const edge = { address: "127.0.0.1", port: 443 };
const DESCRIPTORS = 512;

interface Edge {
  relay: RelayProcess;
  network: NetworkNamespace;
}

async function startEdge(
  workers: number,
  backend: { host: string; port: number },
  more: Partial<RouteOptions> = {},
): Promise<Edge> {
  const stack = new AsyncDisposableStack();
  onTestFinished(() => stack.disposeAsync());
  const network = stack.use(await startNetworkNamespace({ local: networks }));
  const options = { workers, listen: listeners, within: network.enter, descriptors: DESCRIPTORS };
  const relay = stack.use(await startRelayProcess(options));
  const grants = { default: { cidrs: networks, ports: [{ from: 1, to: 65_535 }] } };
  const objects = [settingsObject({ grants }), routeTo(name, backend, more)];
  expect(await relay.ask("apply", { snapshot: true, objects, removals: [] })).toEqual([]);
  return { relay, network };
}

/** Of a client that asks for the name: everything that comes back until it is over. */
async function visit({ network }: Edge): Promise<Buffer> {
  const client = await network.connect(edge);
  client.send(helloFor(name));
  await client.over();
  client.end();
  return client.received();
}

function descriptors({ relay }: Edge): number {
  return readdirSync(`/proc/${relay.pid}/fd`).length;
}

const closedSum = ({ closed }: RouteCounters): number => Object.values(closed).reduce((sum, each) => sum + each, 0);

/** The route's, and those without one, when none of them is open any more. */
async function atRest({
  relay,
}: Edge): Promise<{ routed: RouteCounters | undefined; others: RouteCounters | undefined }> {
  const look = async () => {
    const counters = await relay.ask("counters", null);
    expectBalanced(counters);
    return counters;
  };
  await expect
    .poll(async () => {
      const { undecided, routes } = await look();
      return undecided + [...routes.values()].reduce((sum, each) => sum + each.opened - closedSum(each), 0);
    })
    .toBe(0);
  const { routes } = await look();
  return { routed: routes.get(routeUid(name)), others: routes.get("-") };
}

describe.each([1, 4])("a connection that comes back to the edge, %i worker(s)", (workers) => {
  test.each(["198.18.0.1", "fd00:198:18::1"])("is ended as a loop, at once: %s", async (host) => {
    const started = await startEdge(workers, { host, port: 443 });
    expect((await visit(started)).length).toBe(0);
    await atRest(started);
    const before = descriptors(started);
    for (let i = 1; i < 60; i++) {
      expect((await visit(started)).length).toBe(0);
      // The client's socket, the one to the backend, and the same one accepted: each may be about to close, of a few visits at most.
      expect(descriptors(started)).toBeLessThan(before + 30);
    }
    // It came back once each time, and went no further round, whichever worker had dialled and whichever accepted it.
    const { routed, others } = await atRest(started);
    expect(routed?.opened).toBe(60);
    expect(others).toMatchObject({ opened: 60, closed: { loop: 60 } });
    const { client_closed, backend_closed = 0, backend_reset = 0, ...more } = routed!.closed;
    expect({ sum: (client_closed ?? 0) + backend_closed + backend_reset, more }).toEqual({ sum: 60, more: {} });
    await expect.poll(() => descriptors(started)).toBe(before);
  });

  // A forwarder's connections come from where its own do: nothing tells them from a client's.
  const far = { host: "198.18.0.1", port: 8_443 };
  const comesBack = async ({ network }: Edge): Promise<void> => {
    await network.forward({ address: far.host, port: far.port }, { address: "198.18.0.2", port: 443 });
  };

  test("by way of somebody's forwarder goes round until the route's limit, and all of it is given back", async () => {
    const limits = { connections: 20, mode: LimitMode.ENFORCE };
    const started = await startEdge(workers, far, { limits });
    await comesBack(started);
    const before = descriptors(started);
    for (let round = 1; round <= 5; round++) {
      expect(await visit(started)).toEqual(alertBytes(alerts.internalError));
      const { routed, others } = await atRest(started);
      expect(others).toBeUndefined();
      expect(routed).toMatchObject({ opened: 21 * round, closed: { limited: round } });
    }
    await expect.poll(() => descriptors(started)).toBeLessThanOrEqual(before + 2);
  });

  test("by way of somebody's forwarder, without a limit, takes what room there is, and gives back all of it", async () => {
    const started = await startEdge(workers, far);
    await comesBack(started);
    const before = descriptors(started);
    let opened = 0;
    for (let round = 1; round <= 3; round++) {
      expect(await visit(started)).toEqual(alertBytes(alerts.internalError));
      const { routed, others } = await atRest(started);
      expect(routed!.opened - opened).toBeGreaterThan(DESCRIPTORS / 4);
      expect(routed!.opened - opened).toBeLessThan(DESCRIPTORS / 2);
      opened = routed!.opened;
      expect((routed!.closed.overloaded ?? 0) + (others?.closed.overloaded ?? 0)).toBe(round);
    }
    await expect.poll(() => descriptors(started)).toBeLessThanOrEqual(before + 2);
  });
});
