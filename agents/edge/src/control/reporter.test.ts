import { randomUUID } from "node:crypto";
import { mkdtempDisposable, rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { create } from "@bufbuild/protobuf";
import { type ReportRequest, type ReportResponse, ReportResponseSchema } from "@helloway/proto/edge";
import { expect, test } from "vitest";
import type { BackendCounters, Counters, ForgottenCounters, RouteCounters } from "../relay/relay.ts";
import { CorrectedClock } from "./corrected-clock.ts";
import { Reporter } from "./reporter.ts";
import { Spool } from "./spool.ts";
import { collectedLog } from "./test/logs.ts";

/** A control plane's side of reports: each boot's next number once. */
class Receiver {
  readonly applied: ReportRequest[] = [];
  readonly #sequences = new Map<string, number>();
  /** What happens to a call instead of its answer. */
  fault: ((request: ReportRequest) => ServiceError | null) | null = null;

  receive(request: ReportRequest): ReportResponse {
    const last = this.#sequences.get(request.bootId) ?? 0;
    const sequence = Number(request.sequence);
    const isNext = sequence === last + 1 || (sequence > last && Number(request.lost?.from ?? Infinity) <= last + 1);
    if (isNext) {
      this.#sequences.set(request.bootId, sequence);
      this.applied.push(request);
    }
    return create(ReportResponseSchema, {
      appliedSequence: BigInt(isNext ? sequence : last),
      serverTimeMs: BigInt(Date.now()),
    });
  }

  async send(request: ReportRequest): Promise<ReportResponse> {
    const error = this.fault?.(request) ?? null;
    // The call may have been applied, and only its answer lost.
    const response = error !== null && error.code === status.INVALID_ARGUMENT ? null : this.receive(request);
    if (error !== null) throw error;
    return response ?? create(ReportResponseSchema);
  }

  sum(of: (request: ReportRequest) => bigint): number {
    return Number(this.applied.reduce((all, request) => all + of(request), 0n));
  }
}

function failure(code: status): ServiceError {
  return Object.assign(new Error(`failed: ${code}`), { code, details: `failed: ${code}`, metadata: new Metadata() });
}

const empty = (): RouteCounters => ({
  opened: 0,
  closed: {},
  rxBytes: 0,
  txBytes: 0,
  overLimit: 0,
  backends: new Map(),
});

const none: ForgottenCounters = { routes: [], backends: new Map() };

interface Rig extends AsyncDisposable {
  directory: string;
  counters: Counters;
  reporter: Reporter;
  receiver: Receiver;
  online: boolean;
  bootId: string;
  /** What the engine may forget once it is told that it is kept. */
  gone: ForgottenCounters;
  lines: Record<string, unknown>[];
}

async function rig(options: { directory?: string; receiver?: Receiver } = {}): Promise<Rig> {
  const scratch = options.directory === undefined ? await mkdtempDisposable(join(tmpdir(), "helloway-reports-")) : null;
  const directory = options.directory ?? scratch?.path ?? "";
  const bootId = randomUUID();
  const { log, lines } = collectedLog();
  const spool = await Spool.open(join(directory, "spool"), bootId, log);
  const receiver = options.receiver ?? new Receiver();
  const counters: Counters = { accepted: 0, undecided: 0, routes: new Map([["a", empty()]]) };
  const stop = new AbortController();
  const self = { directory, counters, receiver, online: true, bootId, lines, gone: none };
  const reporter = new Reporter({
    counters: async () => counters,
    forget: (kept) => {
      const forgotten = self.gone;
      for (const uid of forgotten.routes) counters.routes.delete(uid);
      for (const [uid, keys] of forgotten.backends) {
        for (const key of keys) {
          expect(kept.routes.get(uid)?.backends.has(key)).toBe(true);
          counters.routes.get(uid)?.backends.delete(key);
        }
      }
      self.gone = none;
      return forgotten;
    },
    spool,
    clock: new CorrectedClock(),
    send: (request) => (made.online ? receiver.send(request) : null),
    log,
  });
  const run = reporter.run(stop.signal);
  const made: Rig = Object.assign(self, {
    reporter,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await run;
      await scratch?.remove();
    },
  });
  return made;
}

test("delivers what was counted, in spans within one minute, once", async () => {
  await using edge = await rig();
  edge.reporter.connected(100);
  for (let i = 1; i <= 5; i++) {
    edge.counters.accepted = i * 10;
    edge.counters.routes.get("a")!.opened = i * 10;
    await expect.poll(() => edge.receiver.sum(({ accepted }) => accepted)).toBe(i * 10);
  }
  expect(edge.receiver.sum(({ routes }) => routes[0]?.opened ?? 0n)).toBe(50);
  expect(edge.receiver.applied.map(({ sequence }) => Number(sequence))).toEqual(
    edge.receiver.applied.map((_, i) => i + 1),
  );
  for (const { startMs, endMs, bootId } of edge.receiver.applied) {
    expect(startMs).toBeLessThan(endMs);
    expect(startMs / 60_000n).toBe((endMs - 1n) / 60_000n);
    expect(bootId).toBe(edge.bootId);
  }
});

test("reports at its first interval even if nothing happened, so that the boot before it is closed", async () => {
  await using edge = await rig();
  edge.reporter.connected(100);
  await expect.poll(() => edge.receiver.applied).toHaveLength(1);
  edge.counters.accepted = 1;
  await expect.poll(() => edge.receiver.applied).toHaveLength(2);
});

test("loses and doubles nothing when answers are lost", async () => {
  await using edge = await rig();
  let calls = 0;
  edge.receiver.fault = () => (++calls % 3 === 0 ? null : failure(status.UNAVAILABLE));
  edge.reporter.connected(100);
  for (let i = 1; i <= 3; i++) {
    edge.counters.accepted = i;
    await expect.poll(() => edge.receiver.sum(({ accepted }) => accepted)).toBe(i);
  }
  expect(calls).toBeGreaterThan(edge.receiver.applied.length);
}, 30_000);

test("keeps what it counts while there is no session, and delivers it even by a later run, the old boot first", async () => {
  await using edge = await rig();
  edge.reporter.connected(100);
  await expect.poll(() => edge.receiver.applied).toHaveLength(1);
  edge.online = false;
  edge.counters.accepted = 7;
  await edge.reporter.finish(0);
  expect(edge.receiver.applied).toHaveLength(1);
  await using next = await rig({ directory: edge.directory, receiver: edge.receiver });
  next.reporter.connected(100);
  await expect.poll(() => edge.receiver.applied).toHaveLength(3);
  const boots = edge.receiver.applied.map(({ bootId, sequence, accepted }) => [
    bootId,
    Number(sequence),
    Number(accepted),
  ]);
  expect(boots).toEqual([
    [edge.bootId, 1, 0],
    [edge.bootId, 2, 7],
    [next.bootId, 1, 0],
  ]);
});

test("delivers the last report when it finishes", async () => {
  await using edge = await rig();
  edge.reporter.connected(60_000);
  edge.counters.accepted = 3;
  await edge.reporter.finish(5_000);
  expect(edge.receiver.sum(({ accepted }) => accepted)).toBe(3);
});

test("does not wait to finish when there is nobody to deliver to", async () => {
  await using edge = await rig();
  edge.counters.accepted = 3;
  await edge.reporter.finish(60_000);
  expect(edge.receiver.applied).toEqual([]);
});

test("counts on while the spool cannot be written, and reports all of it once it can", async () => {
  await using edge = await rig();
  edge.reporter.connected(100);
  await expect.poll(() => edge.receiver.applied).toHaveLength(1);
  await rename(join(edge.directory, "spool"), join(edge.directory, "away"));
  edge.counters.accepted = 5;
  await expect.poll(() => edge.reporter.spoolError).toContain("ENOENT");
  edge.counters.accepted = 9;
  await rename(join(edge.directory, "away"), join(edge.directory, "spool"));
  await expect.poll(() => edge.receiver.sum(({ accepted }) => accepted)).toBe(9);
  expect(edge.reporter.spoolError).toBe("");
  expect(edge.lines.filter(({ level }) => level === 50)).toHaveLength(1);
});

test("a report that is refused for ever does not hold up the next", async () => {
  await using edge = await rig();
  edge.receiver.fault = ({ accepted }) => (accepted === 1n ? failure(status.INVALID_ARGUMENT) : null);
  edge.reporter.connected(100);
  await expect.poll(() => edge.receiver.applied).toHaveLength(1);
  edge.counters.accepted = 1;
  await expect.poll(() => edge.lines.filter(({ level }) => level === 50)).toHaveLength(1);
  edge.counters.accepted = 3;
  await expect.poll(() => edge.receiver.sum(({ accepted }) => accepted)).toBe(2);
});

test("tells the engine what it may forget only once that is saved, and counts it from nothing when it is back", async () => {
  await using edge = await rig();
  const opened = (): number => edge.receiver.sum(({ routes }) => routes.reduce((sum, each) => sum + each.opened, 0n));
  edge.reporter.connected(100);
  edge.counters.routes.get("a")!.opened = 5;
  await expect.poll(opened).toBe(5);
  await rename(join(edge.directory, "spool"), join(edge.directory, "away"));
  edge.gone = { ...none, routes: ["a"] };
  edge.counters.routes.get("a")!.opened = 7;
  await expect.poll(() => edge.reporter.spoolError).toContain("ENOENT");
  expect(edge.counters.routes.size).toBe(1);
  await rename(join(edge.directory, "away"), join(edge.directory, "spool"));
  await expect.poll(() => edge.counters.routes.size).toBe(0);
  edge.counters.routes.set("a", { ...empty(), opened: 3 });
  await expect.poll(opened).toBe(10);
});

test("lets the engine forget a backend of a route that stays only once it is saved, and counts it from nothing when it is back", async () => {
  await using edge = await rig();
  const backend = (dials: number): BackendCounters => ({
    attempts: dials,
    failures: 0,
    opened: dials,
    closed: dials,
    rxBytes: 0,
    txBytes: 0,
  });
  const route = edge.counters.routes.get("a")!;
  const reported = (): number[] => {
    const backends = edge.receiver.applied.flatMap(({ routes }) => routes.flatMap((each) => each.backends));
    return ["b:1", "b:2"].map((key) =>
      backends.reduce((sum, each) => sum + (each.backend === key ? Number(each.opened) : 0), 0),
    );
  };
  route.opened = 6;
  route.backends.set("b:1", backend(5));
  route.backends.set("b:2", backend(1));
  edge.reporter.connected(100);
  await expect.poll(reported).toEqual([5, 1]);
  await rename(join(edge.directory, "spool"), join(edge.directory, "away"));
  edge.gone = { ...none, backends: new Map([["a", ["b:1"]]]) };
  route.opened = 8;
  route.backends.set("b:1", backend(7));
  await expect.poll(() => edge.reporter.spoolError).toContain("ENOENT");
  expect(route.backends.size).toBe(2);
  await rename(join(edge.directory, "away"), join(edge.directory, "spool"));
  await expect.poll(() => [...route.backends.keys()]).toEqual(["b:2"]);
  route.opened = 12;
  route.backends.set("b:1", backend(3));
  route.backends.set("b:2", backend(2));
  await expect.poll(reported).toEqual([10, 2]);
});
