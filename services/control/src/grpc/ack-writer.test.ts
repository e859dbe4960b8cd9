import { expect, test } from "vitest";
import { HellowayError } from "../errors.ts";
import type { Acknowledgement } from "../fleet/acknowledgements.ts";
import { createAckWriter } from "./ack-writer.ts";

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const ack = (edgeId: string, more: Partial<Acknowledgement> = {}): Acknowledgement => ({
  edgeId,
  session: 1,
  applied: null,
  disk: null,
  refusals: null,
  ...more,
});

test("what comes while a batch is written is the next batch, at most one a session, nothing of it lost", async () => {
  const batches: (readonly Acknowledgement[])[] = [];
  const first = Promise.withResolvers<void>();
  const writer = createAckWriter(async (acks) => {
    batches.push(acks);
    if (batches.length === 1) await first.promise;
  }, silent);
  const controller = new AbortController();
  const running = writer.run(controller.signal);
  writer.write(ack("a"));
  await expect.poll(() => batches.length).toBe(1);
  writer.write(ack("b", { applied: { epoch: 1, revision: 2 }, refusals: [] }));
  writer.write(ack("b", { applied: { epoch: 1, revision: 3 } }));
  writer.write(ack("b", { disk: { savedRevision: 3, error: "" } }));
  writer.write(ack("c", { session: 2 }));
  writer.write(ack("c", { session: 1, disk: { savedRevision: 1, error: "" } }));
  first.resolve();
  await expect.poll(() => batches.length).toBe(2);
  expect(batches[1]).toEqual([
    ack("b", { applied: { epoch: 1, revision: 3 }, disk: { savedRevision: 3, error: "" }, refusals: [] }),
    ack("c", { session: 2 }),
  ]);
  controller.abort();
  await running;
});

test("what could not be written is written later, and at the end what is left", async () => {
  const written: Acknowledgement[] = [];
  let isThere = false;
  const failed = Promise.withResolvers<void>();
  const writer = createAckWriter(async (acks) => {
    if (isThere) written.push(...acks);
    else {
      failed.resolve();
      throw new HellowayError("unavailable", "database_unavailable", "the database is away");
    }
  }, silent);
  const controller = new AbortController();
  const running = writer.run(controller.signal);
  writer.write(ack("a", { applied: { epoch: 1, revision: 1 } }));
  await failed.promise;
  isThere = true;
  controller.abort();
  await running;
  expect(written).toEqual([ack("a", { applied: { epoch: 1, revision: 1 } })]);
});

test("one that the database will never take holds up no other", async () => {
  const written: Acknowledgement[] = [];
  const writer = createAckWriter(async (acks) => {
    if (acks.some(({ edgeId }) => edgeId === "bad")) throw new Error("invalid byte sequence");
    written.push(...acks);
  }, silent);
  for (const edge of ["a", "bad", "b"]) writer.write(ack(edge));
  const controller = new AbortController();
  controller.abort();
  await writer.run(controller.signal);
  expect(written).toEqual([ack("a"), ack("b")]);
});
