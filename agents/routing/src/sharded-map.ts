// A map of texts in many small ones: a Map of a million moves all of them when it grows, which takes longer than a slice of work may.
/** A power of two. */
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

/** By some of its characters: keys that fall together unluckily cost a longer pause when their shard grows, and nothing else. */
function shardOf(key: string): number {
  let hash = key.length;
  const step = (key.length >> 3) + 1;
  for (let at = 0; at < key.length; at += step) hash = Math.imul(hash ^ key.charCodeAt(at), 0x0100_0193);
  return (hash ^ (hash >>> 15)) & (SHARDS - 1);
}
