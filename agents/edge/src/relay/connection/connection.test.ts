import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { connectRaw } from "@helloway/test/harness/raw-client";
import { routeObject, routeUid, settingsObject } from "@helloway/test/harness/table-objects";
import { clientHello, record, serverName } from "../../../../../test/vectors/hello-bytes.ts";
import { BackendResolver } from "../backend/backend-resolver.ts";
import { UpstreamSockets } from "../backend/upstream-sockets.ts";
import type { ConnectionRecord } from "../relay.ts";
import { Table } from "../table/table.ts";
import { Traffic } from "../traffic.ts";
import { Connection } from "./connection.ts";
import type { RelayCore } from "./relay-core.ts";
import { unmapped } from "./source.ts";
import { UndecidedBudget } from "./undecided-budget.ts";

const name = "app.example.test";
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A listener whose one route leads back to it: its policy does not know the listener, as it would not know a new address of its host. */
async function startLooping(host: string) {
  const records: ConnectionRecord[] = [];
  let table: Table | null = null;
  const silent = (): void => undefined;
  const core: RelayCore = {
    bootId: "boot",
    log: { debug: silent, info: silent, warn: silent, error: silent },
    onClose: (each) => records.push(each),
    traffic: new Traffic(),
    budget: new UndecidedBudget(),
    open: new Set(),
    resolver: new BackendResolver(null),
    upstreams: new UpstreamSockets(),
    ended: (connection) => core.open.delete(connection),
    draining: false,
    table: () => table,
    policy: () => table?.settings.policy ?? null,
  };
  let sequence = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const source = unmapped(socket.remoteAddress!);
    const sourcePort = socket.remotePort!;
    const origin = core.upstreams.judge(source, sourcePort, () => unmapped(socket.localAddress!), socket.localPort!);
    new Connection(core, { socket, sequence: ++sequence, listener: "it", source, sourcePort, origin }).start(table);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { address, port } = server.address() as AddressInfo;
  table = Table.open(settingsObject(), [], { lastGood: () => null }).table!;
  table.add([routeObject(name, { hostnames: [name], backends: [{ host, port }] })], { lastGood: () => null });
  table.finish();
  return { records, traffic: core.traffic, listener: { address, port } };
}

test.each(["127.0.0.1", "::ffff:127.0.0.1"])(
  "ends a connection that comes back to it by %s, without an answer",
  async (host) => {
    const { records, traffic, listener } = await startLooping(host);
    const client = await connectRaw(listener);
    client.send(record(clientHello({ extensions: [serverName(name)] })));
    await client.over();
    expect(client.receivedBytes).toBe(0);
    client.end();
    await expect.poll(() => records.length).toBe(2);
    expect(records.find(({ reason }) => reason === "loop")).toMatchObject({ route: "-", tx: 0 });
    const { accepted, undecided, routes } = traffic.counters([]);
    expect({ accepted, undecided }).toEqual({ accepted: 2, undecided: 0 });
    expect(routes.get("-")).toMatchObject({ opened: 1, closed: { loop: 1 } });
    expect(routes.get(routeUid(name))).toMatchObject({ opened: 1 });
  },
);
