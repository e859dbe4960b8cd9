// Weighted rendezvous hashing: every backend draws a number for the key, scaled by its weight, and the lowest comes first. Nothing
// is kept, so every worker and every machine comes to the same order; and as a backend's number depends on no other backend,
// taking one away moves only the keys that it had.

/**
 * The order in which backends are tried for a key, as indices into the list; each once. The share of keys that a backend comes first
 * for is its part of the weights. Does not depend on the order of the list.
 * @param key of a source: its address as text, an IPv6 one by its /64.
 * @param backends with distinct keys and positive weights.
 */
export function consistentOrder(key: string, backends: readonly { key: string; weight: number }[]): number[] {
  const keyHash = mix(hashText(key));
  const draws = backends.map((backend) => {
    // Uniform in (0, 1); its logarithm divided by the weight is exponentially distributed with that rate, and of several such
    // the chance to be the lowest is the rate's part of their sum.
    const uniform = (mix(keyHash ^ hashText(backend.key)) + 0.5) / 2 ** 32;
    return -Math.log(uniform) / backend.weight;
  });
  return [...backends.keys()].sort((a, b) => draws[a]! - draws[b]! || (backends[a]!.key < backends[b]!.key ? -1 : 1));
}

/** FNV-1a over the code units, 32 bits. */
function hashText(text: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  return hash;
}

/** Lets every bit of a 32-bit number depend on every other, as FNV alone does not; unsigned. */
function mix(number: number): number {
  let mixed = number;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb_352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846c_a68b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
