// What the engine in the agent's own process does when the process has no descriptors left.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { CloseReason } from "@helloway/routing/close-reason";
import type { ListenerAddress } from "@helloway/edge/relay/relay";
import { expect, test } from "vitest";
import { connectRaw } from "../harness/raw-client.ts";
import { startTcpBackend } from "../harness/tcp-backend.ts";
import { helloFor } from "./suite/fixture.ts";

const DESCRIPTORS = 64;
const fixture = fileURLToPath(new URL("./node-relay.fixture.ts", import.meta.url));

interface Told {
  accepted: number;
  undecided: number;
  closed: Partial<Record<CloseReason, number>>[];
}

test("serves again, and has counted whom it accepted, after clients have taken all its descriptors", async () => {
  await using backend = await startTcpBackend({ onConnection: (peer) => peer.end("x") });
  const limited = ["-c", `ulimit -n ${DESCRIPTORS}; exec "$@"`, "sh", process.execPath, fixture, String(backend.port)];
  const child = spawn("sh", limited, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const [listener] = (await once(child, "message")) as [ListenerAddress];
  const told = async (): Promise<Told> => {
    child.send("counters");
    return ((await once(child, "message")) as [Told])[0];
  };

  const silent = await Promise.all(Array.from({ length: 3 * DESCRIPTORS }, () => connectRaw(listener)));
  // Whom it cannot take it leaves to nobody: they see an end.
  await expect.poll(() => silent.some(({ ended }) => ended !== null)).toBe(true);
  const { undecided } = await told();
  expect(undecided).toBeGreaterThan(DESCRIPTORS / 4);
  expect(undecided).toBeLessThan(DESCRIPTORS);
  for (const client of silent) client.reset();
  await expect.poll(async () => (await told()).undecided).toBe(0);

  const visits = 20;
  for (let i = 0; i < visits; i++) {
    const client = await connectRaw(listener);
    client.send(helloFor("app.example.test"));
    expect((await client.bytes(1)).toString()).toBe("x");
    client.end();
    await client.over();
  }
  const total: Told = {
    accepted: undecided + visits,
    undecided: 0,
    closed: [{ client_gone: undecided }, { backend_closed: visits }],
  };
  await expect.poll(told).toEqual(total);
  child.disconnect();
  await once(child, "exit");
});
