// The saved table of an edge: a journal of steps over a base, so that an edge starts from disk and serves before it dials.
//
// - `base-N` is a whole table; `journal-N` holds the steps after it. A run never appends to a file of an earlier one.
// - Nobody waits for the disk: steps queue here, run() writes them, with at most one fsync of the journal every 100 ms.
// - A snapshot, a journal larger than its base, and a failed write ask for a new base. Until a base succeeds after a
//   failure no step is written: half a record may be in the journal, and what follows it would be unreachable.
// - The three newest whole bases are kept with the journals that follow them, so that any one file may break.
// - A new generation starts before its base is on the disk: if the base fails, the older files and the new journal still chain.
import { rm } from "node:fs/promises";

import type { Logger } from "@helloway/runtime/logger";
import type { HeldTable, TableEdit } from "./held-table.ts";
import { writeBase } from "./table-store/base.ts";
import { JournalFile, encodeEdit } from "./table-store/journal.ts";
import { pause } from "./pause.ts";
import { basePath, journalPath, listGenerations, loadTable } from "./table-store/load.ts";
import { isSamePool } from "./table-version.ts";
import { Wakeup } from "./wakeup.ts";

const fsyncIntervalMs = 100;
const basesKept = 3;
/** Below this a journal is never worth a new base. */
const journalBytesMin = 1024 * 1024;
/** A step larger than this is cheaper to save as a base. */
const editBytesMax = 8 * 1024 * 1024;
const retryMs = { first: 1_000, max: 30_000 } as const;

export interface DiskState {
  /** Revision up to which the table is on disk; 0: none. */
  savedRevision: bigint;
  /** Empty when saving works. */
  error: string;
}

export class TableStore {
  readonly #directory: string;
  readonly #log: Logger;
  readonly #wakeup = new Wakeup();
  #table: HeldTable | null;
  #generation: number;
  #broken: ReadonlySet<number>;
  #journal: JournalFile | null = null;
  #baseBytes = 0;
  #baseWanted: boolean;
  /** The saved table is of another pool than what older files hold. */
  #forgetOlder = false;
  readonly #watchers = new Set<() => void>();
  #queue: { record: Uint8Array; revision: bigint }[] = [];
  #disk: DiskState;

  private constructor(
    directory: string,
    log: Logger,
    start: { table: HeldTable | null; generation: number; broken: readonly number[]; baseWanted: boolean },
  ) {
    this.#directory = directory;
    this.#log = log;
    this.#table = start.table;
    this.#generation = start.generation;
    this.#broken = new Set(start.broken);
    this.#baseWanted = start.baseWanted;
    this.#disk = { savedRevision: start.table?.version.revision ?? 0n, error: "" };
  }

  /** Reads what was saved. Rejects only when the directory can be neither made nor listed. */
  static async open(directory: string, log: Logger): Promise<{ store: TableStore; table: HeldTable | null }> {
    const loaded = await loadTable(directory);
    for (const problem of loaded.problems) log.warn({ directory }, `saved table: ${problem}`);
    const store = new TableStore(directory, log, {
      table: loaded.table,
      generation: loaded.nextGeneration,
      broken: loaded.brokenBases,
      baseWanted: loaded.table !== null && !loaded.compact,
    });
    return { store, table: loaded.table };
  }

  /** How saving goes, for the control plane. */
  disk(): DiskState {
    return this.#disk;
  }

  /** Calls the watcher whenever disk() has changed; returns how to end that. */
  watchDisk(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Has the step saved that the table just took. */
  saveEdit(table: HeldTable, edit: TableEdit): void {
    this.#table = table;
    if (!this.#baseWanted) {
      const record = encodeEdit(edit);
      if (record.length > editBytesMax) this.#baseWanted = true;
      else this.#queue.push({ record, revision: edit.version.revision });
    }
    this.#wakeup.wake();
  }

  /** Has the whole table saved, in place of what was there. */
  saveWhole(table: HeldTable): void {
    if (this.#table !== null && this.#table !== table && !isSamePool(this.#table.version, table.version)) {
      this.#forgetOlder = true;
    }
    this.#table = table;
    this.#baseWanted = true;
    this.#wakeup.wake();
  }

  /** Saves until the signal aborts, then what is still queued. */
  async run(signal: AbortSignal): Promise<void> {
    let retryAfterMs: number = retryMs.first;
    while (!signal.aborted || this.#baseWanted || this.#queue.length > 0) {
      try {
        await this.#saveQueued();
        retryAfterMs = retryMs.first;
      } catch (error) {
        this.#fail(error);
        if (signal.aborted) break;
        await pause(retryAfterMs, signal);
        retryAfterMs = Math.min(retryAfterMs * 2, retryMs.max);
        continue;
      }
      await pause(fsyncIntervalMs, signal);
      await this.#wakeup.wait(signal, () => this.#baseWanted || this.#queue.length > 0);
    }
    await this.#closeJournal();
  }

  async #saveQueued(): Promise<void> {
    if (this.#baseWanted) await this.#writeBase();
    const batch = this.#queue;
    const last = batch.at(-1);
    if (last === undefined) return;
    this.#queue = [];
    this.#journal ??= await JournalFile.create(journalPath(this.#directory, this.#generation));
    await this.#journal.append(batch.map(({ record }) => record));
    this.#setDisk({ savedRevision: last.revision, error: "" });
    if (this.#journal.bytes > Math.max(journalBytesMin, this.#baseBytes)) this.#baseWanted = true;
  }

  async #writeBase(): Promise<void> {
    const table = this.#table;
    if (table === null) return;
    await this.#closeJournal();
    // Everything up to the table's next change is in the base that is begun here; what follows is for its journal.
    const generation = ++this.#generation;
    const { revision } = table.version;
    const forgetOlder = this.#forgetOlder;
    this.#queue = [];
    this.#baseWanted = false;
    this.#forgetOlder = false;
    try {
      this.#baseBytes = await writeBase(basePath(this.#directory, generation), table);
    } catch (error) {
      this.#forgetOlder ||= forgetOlder;
      throw error;
    }
    if (this.#disk.error !== "") this.#log.info({ revision: String(revision) }, "the table is saved again");
    this.#setDisk({ savedRevision: revision, error: "" });
    await this.#prune(forgetOlder ? generation : null);
  }

  /** Removes what no start will need; that this fails is no reason to stop saving. */
  async #prune(onlyFrom: number | null): Promise<void> {
    try {
      const { bases, journals } = await listGenerations(this.#directory);
      const whole = bases.filter((generation) => !this.#broken.has(generation));
      const oldest = onlyFrom ?? whole.at(-basesKept) ?? whole[0] ?? 0;
      for (const generation of bases) {
        if (generation < oldest || this.#broken.has(generation)) await rm(basePath(this.#directory, generation));
      }
      for (const generation of journals) {
        if (generation < oldest) await rm(journalPath(this.#directory, generation));
      }
    } catch (error) {
      this.#log.warn({ err: error, directory: this.#directory }, "old saved tables could not be removed");
    }
  }

  #fail(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#disk.error !== reason) {
      this.#log.error({ err: error, directory: this.#directory }, "the table cannot be saved; serving goes on without");
    }
    this.#setDisk({ ...this.#disk, error: reason });
    this.#baseWanted = true;
    this.#queue = [];
  }

  #setDisk(disk: DiskState): void {
    const isSame = disk.savedRevision === this.#disk.savedRevision && disk.error === this.#disk.error;
    this.#disk = disk;
    if (!isSame) for (const watcher of this.#watchers) watcher();
  }

  async #closeJournal(): Promise<void> {
    const journal = this.#journal;
    this.#journal = null;
    await journal?.close().catch(() => undefined);
  }
}
