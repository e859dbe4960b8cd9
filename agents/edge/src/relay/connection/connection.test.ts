// Loops, by an engine whose policy does not know its own listener, as it would not know a new address of its host.
import { connectRaw } from "@helloway/test/harness/raw-client";
import { routeObject, routeUid, settingsObject } from "@helloway/test/harness/table-objects";
import { expect, test } from "vitest";
import { clientHello, record, serverName } from "../../../../../test/vectors/hello-bytes.ts";
import type { ConnectionRecord, TableObject } from "../relay.ts";
import { TrafficReader } from "../shared/traffic-reader.ts";
import { encodeObjects } from "../worker/encoded-objects.ts";
import { Engine } from "../worker/engine.ts";
import { createEngineMemory } from "../worker/engine-memory.ts";

const name = "app.example.test";
const ignored = (): void => undefined;

async function startLooping(host: string) {
  const records: ConnectionRecord[] = [];
  const traffic = new TrafficReader();
  const log = { debug: ignored, info: ignored, warn: ignored, error: ignored };
  const start = {
    worker: 0,
    idPrefix: "boot-1-",
    edgeName: "edge",
    memory: createEngineMemory(1, 1),
    dnsServers: null,
    proxyTrusted: [],
    countries: null,
    wantsRecords: true,
    wantsDebug: false,
    ownSockets: [],
  };
  const engine = new Engine(start, {
    log,
    onRecord: (each) => records.push(each),
    onTraffic: (announcement) => traffic.announced(1, announcement),
    evictElsewhere: ignored,
  });
  const targets = [{ address: "127.0.0.1", port: 0, proxy: false }];
  const [listener] = await engine.listen({ leavesPassed: false, targets });
  const backends = [{ host, port: listener!.port }];
  const objects: TableObject[] = [settingsObject(), routeObject(name, { hostnames: [name], backends })];
  const none = encodeObjects([]);
  await engine.apply({ snapshot: true, objects: encodeObjects(objects), removals: [], kept: none, tellRefused: true });
  return { engine, records, traffic, listener: listener! };
}

test.each(["127.0.0.1", "::ffff:127.0.0.1"])(
  "ends a connection that comes back to it by %s, without an answer",
  async (host) => {
    const { engine, records, traffic, listener } = await startLooping(host);
    const client = await connectRaw(listener);
    client.send(record(clientHello({ extensions: [serverName(name)] })));
    await client.over();
    expect(client.receivedBytes).toBe(0);
    client.end();
    await expect.poll(() => records.length).toBe(2);
    expect(records.find(({ reason }) => reason === "loop")).toMatchObject({ route: "-", tx: 0 });
    engine.flush([]);
    const { accepted, undecided, routes } = traffic.counters();
    expect({ accepted, undecided }).toEqual({ accepted: 2, undecided: 0 });
    expect(routes.get("-")).toMatchObject({ opened: 1, closed: { loop: 1 } });
    expect(routes.get(routeUid(name))).toMatchObject({ opened: 1 });
    await engine.close();
  },
);
