// The table as the workers were offered it, so that a worker that begins later can be offered the same and comes to the same.
//
// Invariant: for everything that is refused it has the version that was accepted last, as the workers have. Also where nothing of
// that is served now: a later edit may let it serve again.
import type { ObjectRef, RefusedObject, TableObject, TableUpdate } from "../relay.ts";

export class OfferedTable {
  #objects = new Map<string, TableObject>();
  /** Of what is refused, the version accepted last, if there was one. */
  #good = new Map<string, TableObject>();
  #refused: ReadonlySet<string> = new Set();
  #isThere = false;

  /** Workers have taken it. @param refused everything of the table that is refused now. */
  taken(update: TableUpdate, refused: readonly RefusedObject[]): void {
    this.#isThere = true;
    const keys = refused.map(keyOf);
    // What was accepted until now is about to be overwritten.
    const good = new Map<string, TableObject>();
    const fromDisk = new Map((update.kept ?? []).map((each) => [keyOf(each), each]));
    for (const key of keys) {
      const before = this.#refused.has(key) ? this.#good.get(key) : this.#objects.get(key);
      const last = before ?? fromDisk.get(key);
      if (last) good.set(key, last);
    }
    this.#good = good;
    this.#refused = new Set(keys);
    if (update.snapshot) this.#objects = new Map();
    for (const removal of update.removals) this.#objects.delete(keyOf(removal));
    for (const object of update.objects) this.#objects.set(keyOf(object), object);
  }

  /** null: nothing was offered. */
  snapshot(): TableUpdate | null {
    if (!this.#isThere) return null;
    return { snapshot: true, objects: [...this.#objects.values()], removals: [], kept: [...this.#good.values()] };
  }
}

function keyOf({ kind, id }: ObjectRef): string {
  return `${kind} ${id}`;
}
