// What the agent's engine reads into its process of a large transfer, as the system counts it.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { settingsObject } from "../harness/table-objects.ts";
import { startTcpBackend } from "../harness/tcp-backend.ts";
import { startRelayProcess } from "./node-relay-process.ts";
import { helloFor, routeTo } from "./suite/fixture.ts";

const MIB = 1024 * 1024;
const name = "app.example.test";

async function bytesRead(pid: number): Promise<number> {
  return Number(/rchar: (\d+)/.exec(await readFile(`/proc/${pid}/io`, "utf8"))![1]);
}

test("most of a large transfer does not come into the process, in either direction", async () => {
  const { promise: accepted, resolve: accept } = Promise.withResolvers<Socket>();
  await using backend = await startTcpBackend({ onSocket: accept });
  await using relay = await startRelayProcess({ workers: 1 });
  expect(
    await relay.ask("apply", { snapshot: true, objects: [settingsObject(), routeTo(name, backend)], removals: [] }),
  ).toEqual([]);
  const client = connect({ ...relay.listener, host: relay.listener.address });
  client.write(helloFor(name));
  const upstream = await accepted;
  await once(upstream, "data");
  const carry = async (from: Socket, to: Socket, bytes: number): Promise<void> => {
    let left = bytes;
    const arrived = new Promise<void>((resolve) => {
      const take = (chunk: Buffer): void => {
        left -= chunk.length;
        if (left > 0) return;
        to.off("data", take);
        resolve();
      };
      to.on("data", take);
    });
    from.write(Buffer.alloc(bytes));
    await arrived;
    expect(left).toBe(0);
  };
  // The first large transfer has it looked for.
  await carry(upstream, client, 64 * MIB);
  for (const [from, to] of [
    [upstream, client],
    [client, upstream],
  ] as const) {
    const before = await bytesRead(relay.pid);
    await carry(from, to, 256 * MIB);
    expect((await bytesRead(relay.pid)) - before).toBeLessThan(192 * MIB);
  }
  client.destroy();
  upstream.destroy();
});
