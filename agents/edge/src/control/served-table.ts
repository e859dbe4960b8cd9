// The one table that this edge serves: what the control plane offered, what the engine made of it, what is on disk.
//
// Invariants. An update is taken whole or not at all. The engine swaps first, then the held table changes in one synchronous step, then
// the disk hears of it: what is held is always what is served, and the disk is never ahead of either.
import type { Logger } from "@helloway/runtime/logger";
import type { ApplyResult, RefusedObject, Relay, TableUpdate } from "../relay/relay.ts";
import { guardRefusal } from "./guard.ts";
import { type HeldTable, type TableEdit, applyEdit } from "./held-table.ts";
import { indexObjects } from "./index-objects.ts";
import { objectKey } from "./object-kind.ts";
import type { OfferedUpdate } from "./offered-update.ts";
import { digestAfter } from "./table-digest.ts";
import type { DiskState, TableStore } from "./table-store.ts";
import { judgeVersion } from "./version-rules.ts";

/** null: taken. Else why the update was refused whole; the table is what it was. */
export type RefusedWhole = string | null;

type Engine = Pick<Relay, "apply">;
type Store = Pick<TableStore, "saveEdit" | "saveWhole" | "disk" | "watchDisk">;

export class ServedTable {
  readonly #relay: Engine;
  readonly #store: Store;
  readonly #log: Logger;
  #held: HeldTable | null = null;

  constructor(relay: Engine, store: Store, log: Logger) {
    this.#relay = relay;
    this.#store = store;
    this.#log = log;
  }

  /** What is held; it changes as updates are taken. null: nothing to serve. */
  get held(): HeldTable | null {
    return this.#held;
  }

  disk(): DiskState {
    return this.#store.disk();
  }

  /** Calls the watcher whenever disk() has changed; returns how to end that. */
  watchDisk(watcher: () => void): () => void {
    return this.#store.watchDisk(watcher);
  }

  /** Serves the table that was saved. */
  async restore(saved: HeldTable): Promise<void> {
    const kept = saved.refused.flatMap((refused) => refused.kept ?? []);
    const objects = [...saved.objects.values()];
    const { refused } = await this.#relay.apply({ snapshot: true, objects, removals: [], kept });
    const edit = { ...stay(saved), objects: [], removals: [], refused };
    const isSame = isSameRefusals(saved.refused, refused);
    applyEdit(saved, edit);
    this.#held = saved;
    if (!isSame) this.#store.saveEdit(saved, edit);
  }

  /** Takes or refuses an update. @param own where this edge belongs. */
  async take(update: OfferedUpdate, own: { installation: string; poolId: string }): Promise<RefusedWhole> {
    const held = this.#held;
    const verdict = judgeVersion(held?.version ?? null, own, update);
    if (verdict.taken === null) return verdict.reason;
    const offered = await indexObjects(update.objects);
    if (held !== null && verdict.taken !== "fresh") {
      const refusal = await guardRefusal(held.objects, update, offered);
      if (refusal !== null) return refusal;
    }
    const isStep = verdict.taken === "step";
    const removals = isStep ? update.removals : [];
    const digest = await digestAfter(isStep ? held : null, { objects: update.objects, removals });
    const isExpected = Buffer.compare(digest, update.digest) === 0;
    // A delta that leads elsewhere shows that the tables differed before it: the acknowledgement tells, a snapshot follows. A
    // snapshot that is not what it says it is was broken on its way.
    if (!isExpected && !isStep) return "its digest is not that of its objects";
    const result = await this.#apply({ snapshot: !isStep, objects: update.objects, removals });
    if (typeof result === "string") return result;
    if (isStep && held !== null) this.#step(held, update, digest, result.refused);
    else this.#replace({ version: update.to, digest, objects: offered, refused: result.refused });
    return null;
  }

  async #apply(update: TableUpdate): Promise<ApplyResult | string> {
    try {
      return await this.#relay.apply(update);
    } catch (error) {
      this.#log.error({ err: error }, "the engine failed to apply an update");
      return `the engine failed to apply it: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #step(held: HeldTable, update: OfferedUpdate, digest: Uint8Array, refused: readonly RefusedObject[]): void {
    const edit: TableEdit = {
      from: { version: held.version, digest: held.digest },
      version: update.to,
      digest,
      objects: update.objects,
      removals: update.removals,
      refused: isSameRefusals(held.refused, refused) ? null : refused,
    };
    applyEdit(held, edit);
    this.#store.saveEdit(held, edit);
  }

  #replace(table: HeldTable): void {
    this.#held = table;
    this.#store.saveWhole(table);
  }
}

function stay(table: HeldTable): Pick<TableEdit, "from" | "version" | "digest"> {
  const { version, digest } = table;
  return { from: { version, digest }, version, digest };
}

/** Whether saving the one list is saving the other. */
function isSameRefusals(a: readonly RefusedObject[], b: readonly RefusedObject[]): boolean {
  if (a.length !== b.length) return false;
  const byKey = new Map(a.map((refused) => [objectKey(refused), refused]));
  return b.every((now) => {
    const before = byKey.get(objectKey(now));
    return (
      before !== undefined &&
      before.code === now.code &&
      before.detail === now.detail &&
      Buffer.compare(before.offeredHash, now.offeredHash) === 0 &&
      (before.kept === null) === (now.kept === null) &&
      (before.kept === null || now.kept === null || Buffer.compare(before.kept.hash, now.kept.hash) === 0)
    );
  });
}
