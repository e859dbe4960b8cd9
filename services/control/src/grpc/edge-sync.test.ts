import { expect, test } from "vitest";
import type { Acknowledgement } from "../fleet/acknowledgements.ts";
import type { TableHead } from "../fleet/table-version.ts";
import { EdgeSync } from "./edge-sync.ts";

const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const edge = { edgeId: "e", name: "e", poolId: "p", pool: "p", session: 1 };
const headAt = (revision: number): TableHead => ({
  installation: "i",
  poolId: "p",
  epoch: 1,
  revision,
  digest: new Uint8Array(32).fill(revision),
});

function begin(head: TableHead) {
  const written: Acknowledgement[] = [];
  const sync = new EdgeSync({
    edge,
    session: { number: 1, head },
    hello: {
      description: { agentVersion: "1", features: [], listeners: [], admin: null, addresses: [] },
      bootId: "b",
      have: null,
      refusals: [],
    },
    acks: { write: (ack) => void written.push(ack), run: async () => undefined },
    log,
  });
  const acknowledge = (version: TableHead): void =>
    sync.acknowledge({ version, disk: null, answer: { taken: true, digest: version.digest, refusals: [] } });
  return { sync, written, acknowledge };
}

test("a snapshot of a later commit than was told of counts as applied", () => {
  const { sync, written, acknowledge } = begin(headAt(5));
  sync.sending({ to: headAt(6), isSnapshot: true, parts: [] });
  acknowledge(headAt(6));
  expect(written).toMatchObject([{ applied: { epoch: 1, revision: 6 } }]);
});

test("while an update is in flight newer ones wait, and then go in one step", async () => {
  const { sync, acknowledge } = begin(headAt(5));
  const { signal } = new AbortController();
  expect(await sync.due(signal)).toMatchObject({ next: { send: "snapshot" }, head: { revision: 5 } });
  sync.sending({ to: headAt(5), isSnapshot: true, parts: [] });
  sync.moveTo(headAt(6));
  const due = sync.due(signal);
  sync.moveTo(headAt(8));
  sync.moveTo(headAt(7));
  acknowledge(headAt(5));
  expect(await due).toMatchObject({ next: { send: "delta", from: 5 }, head: { revision: 8 } });
});
