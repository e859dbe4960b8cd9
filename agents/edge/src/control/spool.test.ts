import { cp, mkdtempDisposable, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { ReportRequestSchema } from "@helloway/proto/edge";
import { expect, test } from "vitest";
import type { ReportTraffic } from "./report-difference.ts";
import { Spool, type SpooledReport } from "./spool.ts";
import { collectedLog } from "./test/logs.ts";

async function scratch(): Promise<{ path: string } & AsyncDisposable> {
  const directory = await mkdtempDisposable(join(tmpdir(), "helloway-spool-"));
  return { path: directory.path, [Symbol.asyncDispose]: () => directory.remove() };
}

const span = { startMs: 1_000, endMs: 2_000 };

function traffic(accepted: number): ReportTraffic {
  return { accepted: BigInt(accepted), undecided: 0n, routes: [] };
}

async function open(directory: string, bootId: string = randomUUID()): Promise<Spool> {
  return await Spool.open(directory, bootId, collectedLog().log);
}

function shown(report: SpooledReport | null): unknown {
  if (report === null) return null;
  const { bootId, sequence, accepted } = report.request;
  return { bootId, sequence: Number(sequence), accepted: Number(accepted) };
}

/** Delivers everything, as a control plane does that applies each boot's next number only, or the one after a declared loss. */
async function deliverAll(spool: Spool, applied: Map<string, (bigint | "lost")[]>): Promise<void> {
  for (let report = await spool.next(); report !== null; report = await spool.next()) {
    const { bootId, sequence, accepted, lost } = report.request;
    const before = applied.get(bootId) ?? [];
    applied.set(bootId, before);
    if (lost !== undefined && Number(lost.from) <= before.length + 1) {
      expect(lost.to).toBe(sequence - 1n);
      while (before.length < Number(lost.to)) before.push("lost");
    }
    if (Number(sequence) === before.length + 1) before.push(accepted);
    await spool.applied(report, before.length);
  }
}

test("numbers reports in order, offers one until it is applied, and then the next", async () => {
  await using directory = await scratch();
  const bootId = randomUUID();
  const spool = await open(directory.path, bootId);
  expect(spool.isEmpty).toBe(true);
  expect(await spool.next()).toBeNull();
  await spool.add(span, traffic(11));
  await spool.add(span, traffic(22));
  const first = await spool.next();
  expect(shown(first)).toEqual({ bootId, sequence: 1, accepted: 11 });
  expect(shown(await spool.next())).toEqual({ bootId, sequence: 1, accepted: 11 });
  expect(await spool.applied(first!, 1)).toBe(true);
  const second = await spool.next();
  expect(shown(second)).toEqual({ bootId, sequence: 2, accepted: 22 });
  expect(await spool.applied(second!, 2)).toBe(true);
  expect(spool.isEmpty).toBe(true);
});

test("offers a report that was sent and not answered again after a restart, byte for byte, before those of the new boot", async () => {
  await using directory = await scratch();
  const before = await open(directory.path);
  await before.add(span, traffic(11));
  await before.add(span, traffic(22));
  const sent = await before.next();
  const after = await open(directory.path);
  await after.add(span, traffic(33));
  const again = await after.next();
  expect(toBinary(ReportRequestSchema, again!.request)).toEqual(toBinary(ReportRequestSchema, sent!.request));
  const applied = new Map<string, (bigint | "lost")[]>();
  await deliverAll(after, applied);
  expect([...applied.values()]).toEqual([[11n, 22n], [33n]]);
});

test("goes on with an old boot's numbers where it was", async () => {
  await using directory = await scratch();
  const bootId = randomUUID();
  const before = await open(directory.path, bootId);
  await before.add(span, traffic(11));
  await before.applied((await before.next())!, 1);
  await before.add(span, traffic(22));
  const after = await open(directory.path);
  expect(shown(await after.next())).toEqual({ bootId, sequence: 2, accepted: 22 });
});

test("whatever the step it is killed at, every report that was added is applied exactly once", async () => {
  await using directory = await scratch();
  const bootId = randomUUID();
  const live = join(directory.path, "live");
  const images: { path: string; added: number; appliedOf: bigint[] }[] = [];
  let added = 0;
  const applied: bigint[] = [];
  const crash = async (): Promise<void> => {
    const path = join(directory.path, `image-${images.length}`);
    await cp(live, path, { recursive: true });
    images.push({ path, added, appliedOf: [...applied] });
  };
  const spool = await open(live, bootId);
  await crash();
  for (const count of [1, 2, 3]) {
    await spool.add(span, traffic(count));
    added = count;
    await crash();
    const report = await spool.next();
    await crash();
    // Applied, and the answer is lost with the crash.
    applied.push(report!.request.accepted);
    await crash();
    await spool.applied(report!, applied.length);
    await crash();
  }
  for (const image of images) {
    const all = new Map<string, (bigint | "lost")[]>([[bootId, image.appliedOf]]);
    await deliverAll(await open(image.path), all);
    expect(all.get(bootId)).toEqual(Array.from({ length: image.added }, (_, i) => BigInt(i + 1)));
  }
});

test("says once which run ended without its last report", async () => {
  await using directory = await scratch();
  const killed = await open(directory.path);
  await killed.add(span, traffic(1));
  const stopped = collectedLog();
  const clean = await Spool.open(directory.path, randomUUID(), stopped.log);
  await clean.end();
  expect(stopped.lines).toMatchObject([{ level: 40 }]);
  const next = collectedLog();
  await Spool.open(directory.path, randomUUID(), next.log);
  expect(next.lines).toEqual([]);
});

test("leaves nothing of boots whose reports are all applied", async () => {
  await using directory = await scratch();
  for (let boot = 0; boot < 3; boot++) {
    const spool = await open(directory.path);
    await spool.add(span, traffic(1));
    await spool.end();
  }
  const spool = await open(directory.path);
  await deliverAll(spool, new Map());
  expect(await readdir(directory.path)).toHaveLength(1);
});

test("a control plane that misses reports which are gone is told which are lost, and everything else under its own number", async () => {
  await using directory = await scratch();
  const bootId = randomUUID();
  const { log, lines } = collectedLog();
  const spool = await Spool.open(directory.path, bootId, log);
  for (const count of [1, 2, 3, 4]) await spool.add(span, traffic(count));
  for (const sequence of [1, 2]) await spool.applied((await spool.next())!, sequence);
  // Its database was restored from a backup that has none of this boot.
  const third = await spool.next();
  expect(shown(third)).toEqual({ bootId, sequence: 3, accepted: 3 });
  expect(await spool.applied(third!, 0)).toBe(false);
  expect(lines.at(-1)).toMatchObject({ level: 50, lostFrom: 1, lostTo: 2 });
  const again = await spool.next();
  expect(shown(again)).toEqual({ bootId, sequence: 3, accepted: 3 });
  expect(again!.request.lost).toMatchObject({ from: 1n, to: 2n });
  await spool.applied(again!, 3);
  const fourth = await spool.next();
  expect(shown(fourth)).toEqual({ bootId, sequence: 4, accepted: 4 });
  expect(fourth!.request.lost).toBeUndefined();
});

test("numbers on behind what the control plane says it has applied", async () => {
  await using directory = await scratch();
  const spool = await open(directory.path);
  await spool.add(span, traffic(1));
  await spool.applied((await spool.next())!, 9);
  await spool.add(span, traffic(2));
  expect((await spool.next())?.request.sequence).toBe(10n);
});

test("the number of a report that is refused for ever is given to no other, also by a later run", async () => {
  await using directory = await scratch();
  const spool = await open(directory.path);
  await spool.add(span, traffic(1));
  await spool.add(span, traffic(2));
  await spool.refused((await spool.next())!);
  const bootId = (await spool.next())!.request.bootId;
  expect(shown(await spool.next())).toMatchObject({ sequence: 2, accepted: 2 });
  const applied = new Map<string, (bigint | "lost")[]>();
  await deliverAll(await open(directory.path), applied);
  expect(applied.get(bootId)).toEqual(["lost", 2n]);
});

test("a report that was applied, and broke before its answer was read, takes no other's place", async () => {
  await using directory = await scratch();
  const bootId = randomUUID();
  const spool = await open(directory.path, bootId);
  await spool.add(span, traffic(1));
  await spool.add(span, traffic(2));
  const sent = await spool.next();
  const applied = new Map<string, (bigint | "lost")[]>([[bootId, [sent!.request.accepted]]]);
  const [boot] = await readdir(directory.path);
  await writeFile(join(directory.path, boot!, "report-000000000000001"), Buffer.alloc(40));
  await deliverAll(await open(directory.path), applied);
  expect(applied.get(bootId)).toEqual([1n, 2n]);
});

test("skips a broken file, says so, and delivers the rest", async () => {
  await using directory = await scratch();
  const before = await open(directory.path);
  for (const count of [1, 2, 3]) await before.add(span, traffic(count));
  const [boot] = await readdir(directory.path);
  await writeFile(join(directory.path, boot!, "closed-000000000000002"), Buffer.alloc(40));
  const { log, lines } = collectedLog();
  const applied = new Map<string, (bigint | "lost")[]>();
  await deliverAll(await Spool.open(directory.path, randomUUID(), log), applied);
  expect([...applied.values()]).toEqual([[1n, "lost", 3n]]);
  expect(lines.filter(({ level }) => level === 50)).toMatchObject([{ sequence: 2 }, { lostFrom: 2, lostTo: 2 }]);
});
