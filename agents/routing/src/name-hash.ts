// One hash of a text, made from its end to its start, so that one pass over a name gives the hash of every name that it lies below.
//
// Where it starts and what it multiplies by are drawn anew in every process: nobody outside can choose names that fall together.
const START = draw();
const FACTOR = draw() | 1;

/** Of the empty text. */
export const NAME_HASH_START = START;

/** Of a text one character longer at its start. A 32-bit integer. @param code of that character. */
export function longerNameHash(hash: number, code: number): number {
  const mixed = Math.imul(hash ^ code, FACTOR);
  return mixed ^ (mixed >>> 15);
}

export function nameHash(text: string): number {
  let hash = NAME_HASH_START;
  for (let at = text.length - 1; at >= 0; at--) hash = longerNameHash(hash, text.charCodeAt(at));
  return hash;
}

function draw(): number {
  return (Math.random() * 0x1_0000_0000) | 0;
}
