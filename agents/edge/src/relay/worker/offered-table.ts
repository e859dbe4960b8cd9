import type { ObjectRef, RefusedObject, TableObject, TableUpdate } from "../relay.ts";

/** What the workers were offered last, so that a worker that begins later can be offered the same. */
export class OfferedTable {
  readonly #objects = new Map<string, TableObject>();
  /** Last good versions of what is refused. */
  #kept: readonly TableObject[] = [];
  #isThere = false;

  take(update: TableUpdate): void {
    this.#isThere = true;
    if (update.snapshot) this.#objects.clear();
    for (const removal of update.removals) this.#objects.delete(keyOf(removal));
    for (const object of update.objects) this.#objects.set(keyOf(object), object);
  }

  refused(refused: readonly RefusedObject[]): void {
    this.#kept = refused.flatMap(({ kept }) => kept ?? []);
  }

  /** null: nothing was offered. */
  snapshot(): TableUpdate | null {
    if (!this.#isThere) return null;
    return { snapshot: true, objects: [...this.#objects.values()], removals: [], kept: this.#kept };
  }
}

function keyOf({ kind, id }: ObjectRef): string {
  return `${kind} ${id}`;
}
