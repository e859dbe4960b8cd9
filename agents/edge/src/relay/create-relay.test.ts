import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { createRelay } from "./create-relay.ts";

test("outlives a defect that one connection meets, logs it, and still counts the connection", async () => {
  const errors: unknown[] = [];
  const silent = (): void => undefined;
  const relay = await createRelay({
    listen: [{ address: "127.0.0.1", port: 0 }],
    ownSockets: [],
    edgeName: "edge",
    bootId: "boot",
    dnsServers: null,
    log: { debug: silent, info: silent, warn: silent, error: (fields: unknown) => errors.push(fields) },
    onClose: () => {
      throw new Error("defect");
    },
  });
  await relay.listen();
  for (let i = 0; i < 2; i++) {
    const client = connect({ host: "127.0.0.1", port: relay.listeners[0]!.port });
    client.resume();
    await once(client, "close");
  }
  await expect.poll(() => errors.length).toBe(2);
  const counters = await relay.counters();
  expect(counters).toMatchObject({ accepted: 2, undecided: 0 });
  expect(counters.routes.get("-")).toMatchObject({ opened: 2, closed: { no_table: 2 } });
  await relay.close();
});
