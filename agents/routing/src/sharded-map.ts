// A map of texts in many small ones: a Map of a million moves all of them when it grows, which takes longer than a slice of work may.
import { nameHash } from "./name-hash.ts";

const SHARDS = 256;

export class ShardedMap<V> {
  readonly #shards: (Map<string, V> | undefined)[] = Array.from({ length: SHARDS }, () => undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    return this.#shards[shardOf(key)]?.get(key);
  }

  has(key: string): boolean {
    return this.#shards[shardOf(key)]?.has(key) ?? false;
  }

  set(key: string, value: V): void {
    const shard = (this.#shards[shardOf(key)] ??= new Map());
    const before = shard.size;
    shard.set(key, value);
    this.#size += shard.size - before;
  }

  /** False: it was not there. */
  delete(key: string): boolean {
    const wasThere = this.#shards[shardOf(key)]?.delete(key) ?? false;
    if (wasThere) this.#size--;
    return wasThere;
  }

  /** In no order. */
  *keys(): Generator<string> {
    for (const shard of this.#shards) if (shard) yield* shard.keys();
  }

  /** In no order. */
  *values(): Generator<V> {
    for (const shard of this.#shards) if (shard) yield* shard.values();
  }
}

function shardOf(key: string): number {
  return nameHash(key) >>> 24;
}
