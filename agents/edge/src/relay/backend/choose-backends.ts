// The order in which a connection tries a route's backends: tier after tier; within a tier the one whose turn it is by smooth
// weighted round robin (each turn every backend earns its weight, the richest is taken and pays the tier's total), then the
// others in order after it.
import type { ServedBackend, Tier } from "../table/served-route.ts";

/** Takes a turn of the tier. All its backends, each once. */
export function chooseBackends(tier: Tier): ServedBackend[] {
  const { backends } = tier;
  if (backends.length === 1) return [backends[0]!];
  let total = 0;
  let first = 0;
  for (let i = 0; i < backends.length; i++) {
    const backend = backends[i]!;
    backend.credit += backend.weight;
    total += backend.weight;
    if (backend.credit > backends[first]!.credit) first = i;
  }
  backends[first]!.credit -= total;
  return [...backends.slice(first), ...backends.slice(0, first)];
}
