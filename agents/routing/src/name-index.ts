// Things by their names, for a million of them. A name is found as the end of a longer one without making a string of it, and that
// it is not there is seen by one look at an array of hashes; a Map has to be asked with a string, and costs several cache misses.
//
// Invariants:
// - A thing stands at the first place, from the one its hash says on, that was free: no place between the two is empty.
// - Of a shard at most half of the places are taken.
// - Growing moves one shard of many, so that no single call takes long, however many names there are.
import { nameHash } from "./name-hash.ts";

export interface Named {
  readonly name: string;
}

interface Shard<T> {
  /** 0: empty. As many as `things`, a power of two. */
  hashes: Int32Array;
  things: (T | undefined)[];
  count: number;
}

const SHARD_BITS = 8;
const FIRST_PLACES = 8;

export class NameIndex<T extends Named> {
  readonly #shards: (Shard<T> | undefined)[] = Array.from({ length: 1 << SHARD_BITS }, () => undefined);

  get(name: string): T | undefined {
    return this.find(name, 0, nameHash(name));
  }

  /** The one named as `text` is from `from` on. @param hash nameHash() of that part. */
  find(text: string, from: number, hash: number): T | undefined {
    const shard = this.#shards[hash >>> (32 - SHARD_BITS)];
    if (shard === undefined) return undefined;
    const { hashes, things } = shard;
    const wanted = placed(hash);
    const mask = hashes.length - 1;
    const length = text.length - from;
    for (let at = wanted & mask; hashes[at] !== 0; at = (at + 1) & mask) {
      if (hashes[at] !== wanted) continue;
      const thing = things[at]!;
      const { name } = thing;
      if (name.length === length && (from === 0 ? name === text : text.endsWith(name))) return thing;
    }
    return undefined;
  }

  /** @param thing of a name that is not there. */
  add(thing: T): void {
    const hash = nameHash(thing.name);
    const shard = (this.#shards[hash >>> (32 - SHARD_BITS)] ??= emptyShard<T>(FIRST_PLACES));
    if ((shard.count + 1) * 2 > shard.hashes.length) grow(shard);
    put(shard, placed(hash), thing);
    shard.count++;
  }

  delete(name: string): void {
    const hash = nameHash(name);
    const shard = this.#shards[hash >>> (32 - SHARD_BITS)];
    if (shard === undefined) return;
    const { hashes, things } = shard;
    const mask = hashes.length - 1;
    let hole = placed(hash) & mask;
    while (hashes[hole] !== 0 && things[hole]!.name !== name) hole = (hole + 1) & mask;
    if (hashes[hole] === 0) return;
    shard.count--;
    // Whoever stands further back because this place was taken moves up.
    for (let at = (hole + 1) & mask; hashes[at] !== 0; at = (at + 1) & mask) {
      const home = hashes[at]! & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      hashes[hole] = hashes[at]!;
      things[hole] = things[at];
      hole = at;
    }
    hashes[hole] = 0;
    things[hole] = undefined;
  }
}

/** The hash as it is kept: 0 stands for an empty place. */
function placed(hash: number): number {
  return hash === 0 ? 1 : hash;
}

function emptyShard<T>(places: number): Shard<T> {
  return {
    hashes: new Int32Array(places),
    things: Array.from<T | undefined>({ length: places }).fill(undefined),
    count: 0,
  };
}

function grow<T>(shard: Shard<T>): void {
  const { hashes, things } = shard;
  Object.assign(shard, emptyShard<T>(hashes.length * 2), { count: shard.count });
  for (let at = 0; at < hashes.length; at++) if (hashes[at] !== 0) put(shard, hashes[at]!, things[at]!);
}

function put<T>({ hashes, things }: Shard<T>, hash: number, thing: T): void {
  const mask = hashes.length - 1;
  let at = hash & mask;
  while (hashes[at] !== 0) at = (at + 1) & mask;
  hashes[at] = hash;
  things[at] = thing;
}
