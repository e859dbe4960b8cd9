// Whom the agent's engine takes for one source when clients come to it themselves, over IPv6: in a network of the test's own, which
// has as many addresses as it needs.
import { once } from "node:events";
import { mkdtempDisposableSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LimitMode } from "@helloway/proto/table";
import type { Peer } from "../harness/peer.ts";
import { routeUid, settingsObject } from "../harness/table-objects.ts";
import { startNetworkNamespace } from "./network-namespace.ts";
import { startRelayProcess } from "./node-relay-process.ts";
import { helloFor, routeTo } from "./suite/fixture.ts";
import { firstWord } from "./suite/outcome.ts";

const name = "app.example.test";
const listener = { address: "::", port: 443 };
const target = { address: "fd00:198:18:1::1", port: 443 };
const backend = { host: "127.0.0.1", port: 9_000 };
const one = ["fd00:198:18:1::1", "fd00:198:18:1:ffff::2", "fd00:198:18:1::3"];
const others = ["fd00:198:18:2::1", "fd00:198:18::1"];

test("addresses of one /64 are one source, and each other /64 is another", async () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), "helloway-"));
  const path = join(directory.path, "backend");
  const server = createServer((socket) => socket.once("data", () => socket.write("in")).on("error", () => undefined));
  server.listen(path);
  await once(server, "listening");
  await using network = await startNetworkNamespace({ sources: [...one, ...others] });
  await network.forward({ address: backend.host, port: backend.port }, path);
  await using relay = await startRelayProcess({ workers: 2, listen: [listener], within: network.enter });
  const limits = { connectionsPerSource: 2, mode: LimitMode.ENFORCE };
  const objects = [settingsObject(), routeTo(name, backend, { limits })];
  expect(await relay.ask("apply", { snapshot: true, objects, removals: [] })).toEqual([]);
  const clients: Peer[] = [];
  const words: string[] = [];
  for (const source of [...one, ...others]) {
    const client = await network.connect(target, source);
    client.send(helloFor(name));
    words.push(await firstWord(client));
    clients.push(client);
  }
  expect(words).toEqual(["in", "in", "alert 50", "in", "in"]);
  for (const client of clients) client.end();
  const route = async () => (await relay.ask("counters", null)).routes.get(routeUid(name));
  await expect.poll(route).toMatchObject({ opened: 5, closed: { limited: 1 } });
  for (const client of clients) client.socket.destroy();
  server.close();
});
