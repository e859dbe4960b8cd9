// Whose turn it is among weighted equals, by a counter alone: over one period everyone has exactly its weight's turns, and within a
// period they are spread. Turns lie on a ring in the order of the list, and the counter goes round it by a step without a common
// divisor with the period, so that it comes to each once; a step near the golden section keeps the turns that it came to evenly
// apart at any moment. Nothing is laid out in advance: 64 weights of 1,000 would be 64,000 turns.

const GOLDEN_SECTION = 2 / (1 + Math.sqrt(5));
/** Among this many neighbours there is always a step without a common divisor: no period of ours has seven prime factors. */
const STEPS_TRIED = 33;

export class WeightedTurns {
  /** Turns until everyone had exactly its share. */
  readonly period: number;
  readonly #step: number;
  /** For each of the list, the place on the ring where its turns end. */
  readonly #ends: Float64Array;

  /** @param weights positive whole numbers, at least one. */
  constructor(weights: readonly number[]) {
    const divisor = weights.reduce(commonDivisor);
    this.#ends = new Float64Array(weights.length);
    let end = 0;
    for (const [index, weight] of weights.entries()) this.#ends[index] = end += weight / divisor;
    this.period = end;
    // Equals are simply taken in their order.
    this.#step = end === weights.length ? 1 : evenStep(end);
  }

  /** Index in the list. @param turn a counter, 0 or more. */
  at(turn: number): number {
    return this.#find(((turn % this.period) * this.#step) % this.period);
  }

  /** Index in the list, drawn with its weight's chance. @param random from 0 up to but not 1. */
  draw(random: number): number {
    return this.#find(random * this.period);
  }

  #find(place: number): number {
    let low = 0;
    let high = this.#ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (place < this.#ends[middle]!) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Of the steps near the golden section of the period, the one whose turns bunch least: its quotients in Euclid's algorithm are small. */
function evenStep(period: number): number {
  const first = Math.max(1, Math.round(period * GOLDEN_SECTION) - (STEPS_TRIED >> 1));
  let best = 1;
  let bestQuotient = Infinity;
  for (let step = first; step < Math.min(first + STEPS_TRIED, period); step++) {
    const quotient = greatestQuotient(period, step);
    if (quotient >= bestQuotient || commonDivisor(period, step) > 1) continue;
    best = step;
    bestQuotient = quotient;
  }
  return best;
}

function greatestQuotient(a: number, b: number): number {
  let greatest = 0;
  for (let [more, less] = [a, b]; less > 0; [more, less] = [less, more % less]) {
    greatest = Math.max(greatest, Math.floor(more / less));
  }
  return greatest;
}

function commonDivisor(a: number, b: number): number {
  let [more, less] = [a, b];
  while (less > 0) [more, less] = [less, more % less];
  return more;
}
