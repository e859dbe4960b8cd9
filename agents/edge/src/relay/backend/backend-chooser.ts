// The order in which a connection tries the backends of a tier, by the route's balance. What it depends on is the edge's, not the
// worker's: turns and open connections are in shared entries, so that four workers balance as one does.
//
// - roundRobin: whose turn it is by weight, then the others in order after it.
// - leastConnections: by connections per weight; among equals it begins with the one whose turn it is.
// - random: two drawn by weight, the less loaded first, then the others in order.
// - sourceHash: the consistent order of the source, which needs nothing shared.
//
// Where the table has no place for an entry, a worker counts turns by itself and takes a backend for idle.
import { consistentOrder } from "@helloway/routing/consistent-order";
import { ENTRY_NUMBERS, type SharedEntries } from "../shared/shared-entries.ts";
import { WeightedTurns } from "./weighted-turns.ts";

export type Balance = "roundRobin" | "leastConnections" | "random" | "sourceHash";

/** Whether it looks at how many connections the backends have. */
export function weighsLoads(balance: Balance): boolean {
  return balance === "leastConnections" || balance === "random";
}

export interface BalancedRoute {
  readonly uid: string;
  readonly balance: Balance;
}

export interface BalancedTier<B> {
  /** Of the route's tiers. */
  readonly index: number;
  /** At least one; keys are distinct. */
  readonly backends: readonly B[];
}

export interface BalancedBackend {
  readonly key: string;
  readonly weight: number;
}

/** What a worker knows of a tier for as long as the tier is served. */
interface TierPlan {
  readonly turns: WeightedTurns;
  /** Two words each: of the tier's turns, then of every backend's connections. */
  readonly keys: Int32Array;
  /** Where the backends' entries were when last looked at. */
  readonly entries: Int32Array;
  /** Scratch. */
  readonly loads: Float64Array;
  ownTurn: number;
}

/** The number of an entry that is a tier's: its next turn. */
const TURN = 0;

/** Characters hashed at a time, and what keeps the hashes of these parts apart from each other and from those of limits. */
const NAME_PART = 128;
const FIRST_PART = 2;

export class BackendChooser {
  readonly #entries: SharedEntries;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #plans = new WeakMap<BalancedTier<BalancedBackend>, TierPlan>();

  /** @param entries may be the table of the routes' limits. @param now the edge's clock. @param random from 0 up to but not 1. */
  constructor(entries: SharedEntries, now: () => number, random: () => number = Math.random) {
    this.#entries = entries;
    this.#now = now;
    this.#random = random;
  }

  /** All backends of the tier, each once; not to be changed. Takes a turn. @param source the client's sourceKey(). */
  order<B extends BalancedBackend>(route: BalancedRoute, tier: BalancedTier<B>, source: string): readonly B[] {
    const { backends } = tier;
    if (backends.length === 1) return backends;
    if (route.balance === "sourceHash") return consistentOrder(source, backends).map((index) => backends[index]!);
    const plan = this.#plan(route, tier);
    switch (route.balance) {
      case "roundRobin":
        return rotated(backends, this.#takeTurn(plan));
      case "leastConnections":
        return this.#byLoad(plan, rotated([...backends.keys()], this.#takeTurn(plan)), backends);
      case "random":
        return this.#twoDrawn(plan, backends);
    }
  }

  /**
   * A connection is being dialled to a backend, or is open: it is a load from here on. The entry to give to closed(); -1: nothing is
   * counted, because the route's balance asks for nothing. One backend alone is counted too: it need not stay alone.
   */
  opened<B extends BalancedBackend>(route: BalancedRoute, tier: BalancedTier<B>, backend: B): number {
    if (!weighsLoads(route.balance)) return -1;
    const { keys } = this.#plan(route, tier);
    const at = 2 * (1 + tier.backends.indexOf(backend));
    const entry = this.#entries.enter(keys[at]!, keys[at + 1]!, this.#now());
    if (entry === -1) return -1;
    this.#entries.add(entry);
    this.#entries.leave(entry);
    return entry;
  }

  /** The same for a connection that is open already when its route comes to ask for it; -1 also: the route has no such backend. */
  openedBefore(
    route: BalancedRoute & { readonly tiers: readonly BalancedTier<BalancedBackend>[] },
    key: string,
  ): number {
    for (const tier of route.tiers) {
      const backend = tier.backends.find((each) => each.key === key);
      if (backend) return this.opened(route, tier, backend);
    }
    return -1;
  }

  /** Once for each that was counted, whatever became of the route meanwhile. */
  closed(entry: number): void {
    this.#entries.remove(entry);
  }

  #byLoad<B extends BalancedBackend>(plan: TierPlan, order: number[], backends: readonly B[]): B[] {
    const { loads } = plan;
    for (let index = 0; index < backends.length; index++) loads[index] = this.#load(plan, backends, index);
    // Stable: equals stay in the order in which their turns come.
    return order.sort((a, b) => loads[a]! - loads[b]!).map((index) => backends[index]!);
  }

  #twoDrawn<B extends BalancedBackend>(plan: TierPlan, backends: readonly B[]): B[] {
    const one = plan.turns.draw(this.#random());
    const other = this.#drawOther(backends, one);
    const swap = this.#load(plan, backends, other) < this.#load(plan, backends, one);
    const [first, second] = swap ? [other, one] : [one, other];
    const order = [backends[first]!, backends[second]!];
    for (const backend of rotated(backends, first)) if (!order.includes(backend)) order.push(backend);
    return order;
  }

  /** By weight among those that are not the one. */
  #drawOther(backends: readonly BalancedBackend[], one: number): number {
    let total = 0;
    for (const { weight } of backends) total += weight;
    let place = this.#random() * (total - backends[one]!.weight);
    let last = -1;
    for (let index = 0; index < backends.length; index++) {
      if (index === one) continue;
      last = index;
      place -= backends[index]!.weight;
      if (place < 0) break;
    }
    return last;
  }

  /** Open connections per weight, over all workers; what others change meanwhile may be missing. */
  #load({ keys, entries }: TierPlan, backends: readonly BalancedBackend[], index: number): number {
    const high = keys[2 * (1 + index)]!;
    const low = keys[2 * (1 + index) + 1]!;
    let entry = entries[index]!;
    if (entry === -1 || !this.#entries.holds(entry, high, low)) {
      entry = this.#entries.find(high, low);
      entries[index] = entry;
    }
    return entry === -1 ? 0 : this.#entries.count(entry) / backends[index]!.weight;
  }

  #takeTurn(plan: TierPlan): number {
    const { keys, turns } = plan;
    const entry = this.#entries.enter(keys[0]!, keys[1]!, this.#now());
    if (entry === -1) return turns.at(plan.ownTurn++);
    const { numbers } = this.#entries;
    const at = entry * ENTRY_NUMBERS + TURN;
    const turn = numbers[at]!;
    numbers[at] = (turn + 1) % turns.period;
    this.#entries.leave(entry);
    return turns.at(turn);
  }

  #plan(route: BalancedRoute, tier: BalancedTier<BalancedBackend>): TierPlan {
    const known = this.#plans.get(tier);
    if (known) return known;
    const { backends } = tier;
    const keys = new Int32Array(2 * (1 + backends.length));
    keys.set(this.#key(route.uid, `${tier.index}`));
    for (const [index, { key }] of backends.entries()) keys.set(this.#key(route.uid, key), 2 * (1 + index));
    const plan: TierPlan = {
      turns: new WeightedTurns(backends.map(({ weight }) => weight)),
      keys,
      entries: new Int32Array(backends.length).fill(-1),
      loads: new Float64Array(backends.length),
      ownTurn: 0,
    };
    this.#plans.set(tier, plan);
    return plan;
  }

  /** No backend's key is a mere number. The parts are hashed apart, because one hash takes fewer bytes than a name may have. */
  #key(uid: string, what: string): [number, number] {
    const { hash } = this.#entries;
    let high = 0;
    let low = 0;
    for (const [part, text] of [uid, what.slice(0, NAME_PART), what.slice(NAME_PART)].entries()) {
      hash.ofText(text, FIRST_PART + part);
      high ^= hash.high;
      low ^= hash.low;
    }
    return [high || 1, low];
  }
}

function rotated<T>(list: readonly T[], first: number): T[] {
  return [...list.slice(first), ...list.slice(0, first)];
}
