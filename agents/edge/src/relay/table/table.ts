// The table an engine serves, made of objects that it was offered and checked one by one.
//
// Invariants:
// - Every offered object is either served as offered or refused with a reason; nothing else of the table depends on it.
// - A refused route keeps its last good version, which must pass today's checks, only for hostnames that the newest version
//   still has and that no accepted route holds, and under the newest version's match, access, limits and wildcardDepth. Where
//   those are refused, or the newest version says `drop`, it is dropped.
// - What a refused route has a right to and does not serve is barred: no wildcard above it and no default serves it meanwhile.
// - A refused barrier or settings object keeps its last good version whole: each only restricts.
// - A hostname is held by routes of one team, each with criteria of its own. Routes that were there keep what they hold;
//   newcomers are taken in the order of their uids.
// - change() is one synchronous step and touches only what the edit names and the refused routes that claim a hostname of it:
//   what else is refused stays as it is, and costs nothing. finish() alone looks at all that is refused, in slices.
//
// Removals and lost hostnames are never refused: nothing here can keep what is no longer offered.
import { type BarrierNames, NameTable } from "@helloway/routing/name-table";
import { ShardedMap } from "@helloway/routing/sharded-map";
import type { RefusedObject, TableObject, TableObjectKind } from "../relay.ts";
import { type BarrierCheck, checkBarrier } from "./check-barrier.ts";
import { checkRoute, type RouteCheck, type RouteGround } from "./check-route.ts";
import { checkSettings, type ServedSettings, type SettingsGround } from "./check-settings.ts";
import { createNamesEdit, type NamesEdit } from "./names-edit.ts";
import type { Refusal } from "./refusal.ts";
import { RefusedRoutes } from "./refused-routes.ts";
import type { ServedRoute } from "./served-route.ts";
import {
  type BarrierEntry,
  claimOf,
  keepsTerms,
  refusedObject,
  type RouteEntry,
  type SettingsEntry,
} from "./table-entries.ts";

/** Last good versions of an earlier table or from disk. */
export interface LastGood {
  lastGood(kind: TableObjectKind, id: string): TableObject | null;
}

/** An object as check() found it. */
export type CheckedObject =
  | { readonly kind: "route"; readonly offered: TableObject; readonly check: RouteCheck }
  | { readonly kind: "barrier"; readonly offered: TableObject; readonly check: BarrierCheck };

export interface TableEdit {
  readonly put: readonly CheckedObject[];
  readonly removeRoutes: readonly string[];
  readonly removeBarriers: readonly string[];
}

/** One for all routes that are served whole. */
const noneBarred: readonly string[] = [];
const noLastGood: LastGood = { lastGood: () => null };

/** To look at so many who hold a hostname takes as long as to add one. */
const HOLDERS_OF_A_NAME = 16;
/** How many refused routes finish() looks at in one slice. */
const SLICE_ROUTES = 32;

export class Table implements LastGood {
  readonly settings: ServedSettings;
  readonly names = new NameTable<ServedRoute>();
  /** Grows with every route that comes to be served and counts its open connections: towards limits, or as its backends' loads. */
  countsCame = 0;
  readonly #settings: SettingsEntry;
  readonly #routes = new ShardedMap<RouteEntry>();
  readonly #barriers = new ShardedMap<BarrierEntry>();
  /** Routes that are not served as offered. */
  readonly #refused = new RefusedRoutes();
  /** By hostname, the routes that are served there as offered. */
  readonly #holders = new ShardedMap<readonly ServedRoute[]>();
  readonly #ground: RouteGround;

  private constructor(entry: SettingsEntry, settings: ServedSettings, geo: boolean) {
    this.settings = settings;
    this.#settings = entry;
    this.#ground = { policy: settings.policy, geo };
  }

  /**
   * An empty table under these settings, or their last good version. The refusal alone: there is nothing to serve under.
   */
  static open(
    offered: TableObject,
    ground: SettingsGround,
    lastGood: LastGood,
  ): { table: Table | null; refusal: Refusal | null } {
    const check = checkSettings(offered.body, ground);
    if (check.kind === "served") {
      const entry = { offered, refusal: check.refusal, good: offered };
      return { table: new Table(entry, check.settings, ground.geo), refusal: check.refusal };
    }
    const good = lastGood.lastGood("settings", offered.id);
    const kept = good && checkSettings(good.body, ground);
    if (kept?.kind !== "served") return { table: null, refusal: check.refusal };
    const entry = { offered, refusal: check.refusal, good };
    return { table: new Table(entry, kept.settings, ground.geo), refusal: check.refusal };
  }

  lastGood(kind: TableObjectKind, id: string): TableObject | null {
    if (kind === "settings") return this.#settings.good;
    return (kind === "route" ? this.#routes.get(id) : this.#barriers.get(id))?.good ?? null;
  }

  /** A route or default as it is served now; null: it is not. */
  route(uid: string): ServedRoute | null {
    const { noSni, unmatched } = this.settings;
    const route = uid === noSni?.uid ? noSni : uid === unmatched?.uid ? unmatched : this.#routes.get(uid)?.served;
    return route ?? null;
  }

  /** Everything offered, in no order. */
  *offered(): Generator<TableObject> {
    yield this.#settings.offered;
    for (const { offered } of this.#routes.values()) yield offered;
    for (const { offered } of this.#barriers.values()) yield offered;
  }

  /**
   * A route or barrier by itself, before it is added or changed: most of what it costs, and under the same settings always the same.
   */
  check(offered: TableObject & { kind: "route" | "barrier" }): CheckedObject {
    const { kind, id, body } = offered;
    if (kind === "barrier") return { kind, offered, check: checkBarrier(body, id) };
    return { kind, offered, check: checkRoute(offered, this.#ground) };
  }

  /** Part of a new table. Refused routes find what to keep only in finish(). */
  add(objects: readonly CheckedObject[], lastGood: LastGood): void {
    const edit = this.#offer({ put: objects, removeRoutes: [], removeBarriers: [] }, lastGood);
    for (const uid of edit.touched) this.#hold(uid, edit);
    this.#swap(edit);
  }

  /** The last step of a new table, which is whole when the generator has ended; between two slices other work may be done. */
  *finish(): Generator<undefined, void> {
    const undecided = [...this.#refused.uids()].sort();
    for (const uids of slices(undecided)) {
      const edit = createNamesEdit([]);
      for (const uid of uids) this.#hold(uid, edit);
      this.#swap(edit);
      yield;
    }
    const kept = new Set<string>();
    for (const uids of slices(undecided)) {
      const edit = createNamesEdit([]);
      this.#keep(uids, kept, edit);
      this.#swap(edit);
      yield;
    }
  }

  /** Routes and barriers alone; new settings mean a new table. */
  change(change: TableEdit): void {
    const edit = this.#offer(change, noLastGood);
    const undecided = new Set(edit.touched);
    for (const hostname of edit.hostnames) {
      for (const uid of this.#refused.claiming(hostname)) undecided.add(uid);
    }
    for (const uid of [...undecided].sort()) this.#hold(uid, edit);
    this.#keep([...this.#reached(edit.hostnames)].sort(), new Set(), edit);
    this.#swap(edit);
  }

  /** What it takes to add the object, in names: about 4 us each. */
  weightOf({ kind, check }: CheckedObject): number {
    return kind === "barrier" ? 1 : this.#weightOfRoute(check);
  }

  /** What change() would take, in names; counts little further than `enough`. */
  weigh({ put, removeRoutes, removeBarriers }: TableEdit, enough: number): number {
    let weight = removeBarriers.length;
    const hostnames = new Set<string>();
    const touch = (check: RouteCheck | undefined): void => {
      if (!check || weight > enough) return;
      weight += this.#weightOfRoute(check);
      for (const hostname of claimOf(check)?.hostnames ?? []) hostnames.add(hostname);
    };
    for (const uid of removeRoutes) touch(this.#routes.get(uid)?.check);
    for (const { kind, offered, check } of put) {
      if (kind === "barrier") weight++;
      else {
        touch(check);
        touch(this.#routes.get(offered.id)?.check);
      }
    }
    if (weight > enough) return weight;
    for (const uid of this.#reached(hostnames)) {
      weight += this.#weightOfRoute(this.#routes.get(uid)!.check);
      if (weight > enough) break;
    }
    return weight;
  }

  #weightOfRoute(check: RouteCheck): number {
    let weight = 1;
    for (const hostname of claimOf(check)?.hostnames ?? []) {
      weight += 1 + (this.#holders.get(hostname)?.length ?? 0) / HOLDERS_OF_A_NAME;
    }
    return weight;
  }

  #offer(change: TableEdit, lastGood: LastGood): NamesEdit {
    const edit = createNamesEdit(change.removeBarriers);
    for (const uid of change.removeRoutes) {
      this.#release(uid, edit);
      this.#routes.delete(uid);
    }
    for (const id of change.removeBarriers) this.#barriers.delete(id);
    for (const { kind, offered, check } of change.put) {
      if (kind === "barrier") this.#offerBarrier(offered, check, lastGood, edit);
      else this.#offerRoute(offered, check, lastGood, edit);
    }
    return edit;
  }

  #swap({ put, remove, putBarriers, removeBarriers }: NamesEdit): void {
    for (const { limits, countsLoads } of put) {
      if (limits?.connections || limits?.connectionsPerSource || countsLoads) this.countsCame++;
    }
    this.names.change({ put, remove: [...remove], putBarriers, removeBarriers: [...removeBarriers] });
  }

  /** Everything that is refused, in no order; in plain objects. Between two of them other work may be done, but no change. */
  *refused(): Generator<RefusedObject> {
    const { offered, refusal, good } = this.#settings;
    if (refusal) yield refusedObject(offered, refusal, good === offered ? null : good);
    for (const uid of this.#refused.uids()) {
      const entry = this.#routes.get(uid)!;
      entry.told ??= refusedObject(entry.offered, entry.refusal!, entry.served ? entry.good : null);
      yield entry.told;
    }
    for (const { offered: barrier, check, good: kept, served } of this.#barriers.values()) {
      if (check.kind === "refused") yield refusedObject(barrier, check.refusal, served ? kept : null);
    }
  }

  #offerBarrier(offered: TableObject, check: BarrierCheck, lastGood: LastGood, edit: NamesEdit): void {
    let good: TableObject | null = offered;
    let served: BarrierNames | null = null;
    if (check.kind === "served") served = check.barrier;
    else {
      good = this.#barriers.get(offered.id)?.good ?? lastGood.lastGood("barrier", offered.id);
      const kept = good && checkBarrier(good.body, good.id);
      if (kept?.kind === "served") served = kept.barrier;
    }
    this.#barriers.set(offered.id, { offered, check, good, served });
    if (served) edit.putBarriers.push(served);
    else edit.removeBarriers.add(offered.id);
  }

  #offerRoute(offered: TableObject, check: RouteCheck, lastGood: LastGood, edit: NamesEdit): void {
    const before = this.#release(offered.id, edit);
    const good = before?.good ?? lastGood.lastGood("route", offered.id);
    this.#routes.set(offered.id, {
      offered,
      check,
      good,
      refusal: null,
      goodRoute: undefined,
      served: null,
      told: null,
      barred: noneBarred,
    });
    edit.touched.push(offered.id);
    for (const hostname of claimOf(check)?.hostnames ?? []) edit.hostnames.add(hostname);
  }

  /** Takes the names of a route out of the way, as far as it holds any. Returns the route as it was; undefined: it is new. */
  #release(uid: string, edit: NamesEdit): RouteEntry | undefined {
    const entry = this.#routes.get(uid);
    if (!entry) return undefined;
    this.#refused.delete(uid);
    for (const hostname of claimOf(entry.check)?.hostnames ?? []) edit.hostnames.add(hostname);
    for (const id of entry.barred) edit.removeBarriers.add(id);
    if (!entry.served) return entry;
    edit.remove.add(uid);
    if (entry.refusal) return entry;
    for (const hostname of entry.served.hostnames) this.#letGo(hostname, uid);
    return entry;
  }

  #letGo(hostname: string, uid: string): void {
    const left = this.#holders.get(hostname)?.filter((each) => each.uid !== uid) ?? [];
    if (left.length === 0) this.#holders.delete(hostname);
    else this.#holders.set(hostname, left);
  }

  /** Serves a route as offered, or notes why not. */
  #hold(uid: string, edit: NamesEdit): void {
    const entry = this.#routes.get(uid);
    if (!entry) return;
    const refusal = entry.check.kind === "refused" ? entry.check.refusal : this.#taken(entry.check.route);
    entry.refusal = refusal;
    entry.told = null;
    if (refusal || entry.check.kind === "refused") {
      this.#refused.add(uid, claimOf(entry.check)?.hostnames ?? []);
      return;
    }
    this.#refused.delete(uid);
    edit.remove.delete(uid);
    entry.good = entry.offered;
    this.#unbar(entry, edit);
    entry.served = entry.check.route;
    for (const hostname of entry.served.hostnames) {
      edit.hostnames.add(hostname);
      const others = this.#holders.get(hostname)?.filter((each) => each.uid !== uid) ?? [];
      this.#holders.set(hostname, [...others, entry.served]);
    }
    edit.put.push(entry.served);
  }

  /**
   * The refused routes that may keep something else when these hostnames change hands: those that claim one of them. And since of
   * those that may keep a hostname the first does, all that share one with them: keep() must see them in order.
   */
  *#reached(hostnames: ReadonlySet<string>): Generator<string> {
    const uids = new Set<string>();
    const reached = new Set(hostnames);
    for (const hostname of reached) {
      for (const uid of this.#refused.claiming(hostname)) {
        if (uids.has(uid)) continue;
        uids.add(uid);
        yield uid;
        const entry = this.#routes.get(uid)!;
        if (keepsTerms(entry) === null) continue;
        for (const claimed of claimOf(entry.check)?.hostnames ?? []) reached.add(claimed);
      }
    }
  }

  #taken(route: ServedRoute): Refusal | null {
    for (const hostname of route.hostnames) {
      const holder = this.#holderOf(hostname, route);
      if (holder) return { code: "hostname_taken", detail: `${hostname} is held by the route ${holder.uid}.` };
    }
    return null;
  }

  /** Who keeps the route from holding the hostname: another team, or a route with the same criteria. */
  #holderOf(hostname: string, route: Pick<ServedRoute, "uid" | "team" | "criteriaKey">): ServedRoute | null {
    for (const holder of this.#holders.get(hostname) ?? []) {
      if (holder.uid === route.uid) continue;
      if (holder.team !== route.team || holder.criteriaKey === route.criteriaKey) return holder;
    }
    return null;
  }

  /**
   * Gives refused routes what their last good versions may still serve.
   *
   * @param uids in their order; those that are not refused are passed over.
   * @param kept hostname and criteria of what earlier ones keep.
   */
  #keep(uids: Iterable<string>, kept: Set<string>, edit: NamesEdit): void {
    for (const uid of uids) {
      if (!this.#refused.has(uid)) continue;
      const entry = this.#routes.get(uid)!;
      // By now everybody has what they hold: whichever way the table came to be, the refusal names the same route.
      if (entry.check.kind === "served") entry.refusal = this.#taken(entry.check.route) ?? entry.refusal;
      const served = this.#keptRoute(entry, kept);
      for (const hostname of served?.hostnames ?? []) kept.add(`${hostname} ${served!.criteriaKey}`);
      if (served) {
        edit.remove.delete(uid);
        edit.put.push(served);
      } else if (entry.served) edit.remove.add(uid);
      entry.served = served;
      entry.told = null;
      this.#bar(uid, entry, edit);
    }
  }

  /** Bars what a refused route has a right to and does not serve. */
  #bar(uid: string, entry: RouteEntry, edit: NamesEdit): void {
    const claim = claimOf(entry.check);
    const barred: BarrierNames[] = [];
    for (const name of claim?.hostnames ?? []) {
      if (entry.served?.hostnames.includes(name)) continue;
      barred.push({ id: `refused ${uid} ${name}`, name, tree: false, depth: claim!.wildcardDepth });
    }
    this.#unbar(entry, edit);
    entry.barred = barred.map(({ id }) => id);
    for (const barrier of barred) {
      edit.removeBarriers.delete(barrier.id);
      edit.putBarriers.push(barrier);
    }
  }

  #unbar(entry: RouteEntry, edit: NamesEdit): void {
    for (const id of entry.barred) edit.removeBarriers.add(id);
    entry.barred = noneBarred;
  }

  #keptRoute(entry: RouteEntry, taken: ReadonlySet<string>): ServedRoute | null {
    const { good } = entry;
    const terms = keepsTerms(entry);
    if (!terms || !good) return null;
    if (entry.goodRoute === undefined) {
      const earlier = checkRoute(good, this.#ground);
      entry.goodRoute = earlier.kind === "served" ? earlier.route : null;
    }
    if (!entry.goodRoute) return null;
    const { hostnames: earlier, ...rest } = entry.goodRoute;
    const claimant = { uid: rest.uid, team: terms.team, criteriaKey: terms.criteriaKey };
    const hostnames = earlier.filter(
      (each) =>
        terms.hostnames.includes(each) &&
        this.#holderOf(each, claimant) === null &&
        !taken.has(`${each} ${terms.criteriaKey}`),
    );
    if (hostnames.length === 0) return null;
    const { team, wildcardDepth, criteria, criteriaKey, access, limits } = terms;
    return { ...rest, hostnames, team, wildcardDepth, criteria, criteriaKey, access, limits };
  }
}

function* slices(uids: readonly string[]): Generator<string[]> {
  for (let i = 0; i < uids.length; i += SLICE_ROUTES) yield uids.slice(i, i + SLICE_ROUTES);
}
