// A relay as a process of its own, for what can only be tried on a whole process. Serves app.example.test from the backend port
// given; says over IPC where it listens, and its counters whenever it is asked.
import { createRelay } from "@helloway/edge/relay/create-relay";
import { routeObject, settingsObject } from "../harness/table-objects.ts";

const silent = (): void => undefined;
const relay = await createRelay({
  listen: [{ address: "127.0.0.1", port: 0 }],
  workers: Number(process.argv[3] ?? 1),
  proxyTrusted: [],
  geoDatabase: null,
  ownSockets: [],
  edgeName: "edge",
  bootId: "boot",
  dnsServers: null,
  log: { debug: silent, info: silent, warn: silent, error: silent },
});
const backends = [{ host: "127.0.0.1", port: Number(process.argv[2]) }];
const route = routeObject("app", { hostnames: ["app.example.test"], backends });
await relay.apply({ snapshot: true, objects: [settingsObject(), route], removals: [] });
await relay.listen();

async function answer(): Promise<void> {
  const { accepted, undecided, routes } = await relay.counters();
  const closed = [...routes.values()].map((each) => each.closed);
  process.send?.({ accepted, undecided, closed });
}

process.on("message", () => void answer());
process.on("disconnect", () => process.exit());
process.send?.(relay.listeners[0]);
