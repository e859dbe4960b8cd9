// Reports on their way to the control plane, on disk. One directory a boot, in order; in it one file a report, whose name is its
// state, so that every step is one atomic rename:
//
//   closed-N   a report of closed traffic without a sequence number yet; never sent
//   report-S   has the sequence number S, was or is about to be sent, and never changes again
//   acked-S    S was applied by the control plane, or is lost; the newest of these is where a boot's numbers continue
//   ended      nothing more comes of this boot
//
// A report is fsynced as closed-N before the counters behind it count as reported, and its rename to report-S is fsynced before it is first sent.
// So a crash at any step loses no report that was closed and numbers none anew: what was sent is sent again under the same number, and
// the control plane applies a number once. A number is never given again, not even that of a report which is lost: it may have been applied
// and only the answer be missing. When the control plane misses reports that are here no more, the next one declares them lost. Boots are emptied in order, because what an old boot left open is closed when a new one reports.
import { mkdir, readFile, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { LostReportsSchema, type ReportRequest, ReportRequestSchema } from "@helloway/proto/edge";
import type { Logger } from "@helloway/runtime/logger";
import { syncDirectory, writeDurably } from "./durable-file.ts";
import type { ReportTraffic } from "./report-difference.ts";
import type { ReportSpan } from "./report-span.ts";
import { readRecords, toRecord } from "./table-store/record.ts";

interface Boot {
  directory: string;
  bootId: string;
  /** Numbers of the files closed-N, ascending. */
  closed: number[];
  /** Sequence numbers of the files report-S, ascending. */
  sent: number[];
  /** The highest number known to be applied or lost. */
  acked: number;
  /** What the control plane waits for in vain, up to the report before the next one. */
  lost: { from: number; to: number } | null;
  ended: boolean;
}

/** The report that is next, with what is needed to say what became of it. */
export interface SpooledReport {
  request: ReportRequest;
  boot: Boot;
}

export class Spool {
  readonly #log: Logger;
  /** Oldest first; the last is this run's. */
  readonly #boots: Boot[];
  readonly #current: Boot;
  #nextClosed = 1;

  private constructor(boots: Boot[], current: Boot, log: Logger) {
    this.#boots = boots;
    this.#current = current;
    this.#log = log;
  }

  /** Takes over what earlier boots left and begins the given one. Says which ended without a last report. */
  static async open(directory: string, bootId: string, log: Logger): Promise<Spool> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const boots: { number: number; boot: Boot }[] = [];
    for (const name of await readdir(directory)) {
      const [, number, id] = /^boot-(\d{9})-([0-9a-f-]{36})$/.exec(name) ?? [];
      if (number === undefined || id === undefined) continue;
      boots.push({ number: Number(number), boot: await readBoot(join(directory, name), id) });
    }
    boots.sort((a, b) => a.number - b.number);
    for (const { boot } of boots) {
      if (boot.ended) continue;
      log.warn(
        { boot: boot.bootId },
        "an earlier run ended without its last report: what it counted after the one before is lost",
      );
      await writeDurably(join(boot.directory, "ended"), "");
      boot.ended = true;
    }
    const number = String((boots.at(-1)?.number ?? 0) + 1).padStart(9, "0");
    const current: Boot = {
      directory: join(directory, `boot-${number}-${bootId}`),
      bootId,
      closed: [],
      sent: [],
      acked: 0,
      lost: null,
      ended: false,
    };
    await mkdir(current.directory, { mode: 0o700 });
    await syncDirectory(directory);
    return new Spool([...boots.map(({ boot }) => boot), current], current, log);
  }

  /** Keeps a closed report of this boot. Once this resolves the report will be delivered, however this run ends. */
  async add(span: ReportSpan, traffic: ReportTraffic): Promise<void> {
    const request = create(ReportRequestSchema, {
      bootId: this.#current.bootId,
      startMs: BigInt(span.startMs),
      endMs: BigInt(span.endMs),
      ...traffic,
    });
    const number = this.#nextClosed++;
    await writeDurably(closedPath(this.#current, number), toRecord(toBinary(ReportRequestSchema, request)));
    this.#current.closed.push(number);
  }

  /** Nothing more comes of this boot. */
  async end(): Promise<void> {
    await writeDurably(join(this.#current.directory, "ended"), "");
    this.#current.ended = true;
  }

  /** Whether next() has something. */
  get isEmpty(): boolean {
    return this.#boots.every((boot) => boot.sent.length === 0 && boot.closed.length === 0);
  }

  /** The oldest report, under a number that is safe on the disk; the same until applied() or refused(). null: none. */
  async next(): Promise<SpooledReport | null> {
    for (;;) {
      const boot = this.#boots[0];
      if (boot === undefined) return null;
      const sequence = boot.sent[0] ?? (await this.#number(boot));
      if (sequence === null) {
        if (boot === this.#current) return null;
        this.#boots.shift();
        await rm(boot.directory, { recursive: true, force: true });
        continue;
      }
      const request = await readReport(sentPath(boot, sequence));
      if (request !== null) {
        request.sequence = BigInt(sequence);
        const { lost } = boot;
        if (lost !== null) {
          request.lost = create(LostReportsSchema, { from: BigInt(lost.from), to: BigInt(lost.to) });
        }
        return { request, boot };
      }
      this.#log.error({ boot: boot.bootId, sequence }, "a spooled report is broken and lost");
      await this.#done(boot, sequence, sequence);
    }
  }

  /** The control plane has applied the boot's reports up to this number. Answers whether the report is among them. */
  async applied({ request, boot }: SpooledReport, appliedSequence: number): Promise<boolean> {
    const sequence = Number(request.sequence);
    if (appliedSequence >= sequence) {
      await this.#done(boot, sequence, appliedSequence);
      boot.lost = null;
      return true;
    }
    const from = appliedSequence + 1;
    if (boot.lost?.from !== from) {
      this.#log.error(
        { boot: boot.bootId, lostFrom: from, lostTo: sequence - 1 },
        "the control plane misses reports that are no longer here: what they counted is lost",
      );
    }
    boot.lost = { from, to: sequence - 1 };
    return false;
  }

  /** The control plane will never take this report. */
  async refused({ request, boot }: SpooledReport): Promise<void> {
    const sequence = Number(request.sequence);
    await this.#done(boot, sequence, sequence);
  }

  /** Gives the oldest closed report of the boot its number; null: there is none. */
  async #number(boot: Boot): Promise<number | null> {
    const closed = boot.closed[0];
    if (closed === undefined) return null;
    const sequence = boot.acked + 1;
    await rename(closedPath(boot, closed), sentPath(boot, sequence));
    boot.closed.shift();
    boot.sent.push(sequence);
    await syncDirectory(boot.directory);
    return sequence;
  }

  /** Nothing more is to be done for the numbers up to `upTo`, that of this report among them. */
  async #done(boot: Boot, sequence: number, upTo: number): Promise<void> {
    const before = boot.acked;
    await rename(sentPath(boot, sequence), ackedPath(boot, upTo));
    boot.sent.shift();
    boot.acked = upTo;
    if (before !== 0 && before !== upTo) await rm(ackedPath(boot, before), { force: true });
  }
}

async function readBoot(directory: string, bootId: string): Promise<Boot> {
  const boot: Boot = { directory, bootId, closed: [], sent: [], acked: 0, lost: null, ended: false };
  for (const name of await readdir(directory)) {
    const [, kind, digits] = /^(closed|report|acked)-(\d{15})$/.exec(name) ?? [];
    const number = Number(digits);
    if (kind === "closed") boot.closed.push(number);
    else if (kind === "report") boot.sent.push(number);
    else if (kind === "acked") boot.acked = Math.max(boot.acked, number);
    else if (name === "ended") boot.ended = true;
  }
  boot.closed.sort((a, b) => a - b);
  boot.sent.sort((a, b) => a - b);
  return boot;
}

/** null: broken, or gone. */
async function readReport(path: string): Promise<ReportRequest | null> {
  try {
    const { payloads, whole } = readRecords(await readFile(path));
    const [payload] = payloads;
    return payload === undefined || !whole ? null : fromBinary(ReportRequestSchema, payload);
  } catch {
    return null;
  }
}

function closedPath(boot: Boot, number: number): string {
  return join(boot.directory, `closed-${digits(number)}`);
}

function sentPath(boot: Boot, sequence: number): string {
  return join(boot.directory, `report-${digits(sequence)}`);
}

function ackedPath(boot: Boot, sequence: number): string {
  return join(boot.directory, `acked-${digits(sequence)}`);
}

function digits(number: number): string {
  return String(number).padStart(15, "0");
}
