import type { Pace } from "./pace.ts";

/** Short enough to be sorted in one go. */
const RUN = 256;

/** Sorted by id, which are unique; in slices, since a hundred thousand take a tenth of a second. What is sorted already costs a look at each. */
export async function sortById<T extends { readonly id: string }>(things: readonly T[], pace: Pace): Promise<T[]> {
  let runs: T[][] = [];
  for (let at = 0; at < things.length; at += RUN) {
    runs.push(things.slice(at, at + RUN).sort((a, b) => (a.id < b.id ? -1 : 1)));
    if (pace.isDue) await pace.turn();
  }
  while (runs.length > 1) {
    const longer: T[][] = [];
    for (let at = 0; at < runs.length; at += 2) longer.push(await merge(runs[at]!, runs[at + 1] ?? [], pace));
    runs = longer;
  }
  return runs[0] ?? [];
}

async function merge<T extends { readonly id: string }>(left: T[], right: T[], pace: Pace): Promise<T[]> {
  const merged: T[] = [];
  let fromLeft = 0;
  let fromRight = 0;
  while (fromLeft < left.length || fromRight < right.length) {
    const one = left[fromLeft];
    const other = right[fromRight];
    if (other === undefined || (one !== undefined && one.id < other.id)) {
      merged.push(one!);
      fromLeft++;
    } else {
      merged.push(other);
      fromRight++;
    }
    if (merged.length % RUN === 0 && pace.isDue) await pace.turn();
  }
  return merged;
}
