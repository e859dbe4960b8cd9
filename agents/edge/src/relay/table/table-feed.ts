// Updates one after the other: each is checked aside, then swapped in. A snapshot, and any change of the settings, makes a new
// table, in slices so that connections are served meanwhile; a change of some routes and barriers edits the table in place.
import type { ReservedSocket } from "@helloway/routing/address-policy";
import type { RefusedObject, TableObject, TableObjectKind, TableUpdate } from "../relay.ts";
import { collectOldTable } from "./collect-old-table.ts";
import { Pace } from "./pace.ts";
import { sortById } from "./sort-by-id.ts";
import { type CheckedObject, type LastGood, Table } from "./table.ts";

/** How many objects of a new table are added at once, and how much they may weigh (Table.weightOf). */
const ADDED_TOGETHER = 32;
const WEIGHT_TOGETHER = 300;
/** An edit of more objects, or of more weight (Table.weigh), makes a new table, in slices: in place it is one step. */
const EDIT_OBJECTS_MAX = 300;
const EDIT_WEIGHT_MAX = 2_000;
/** Objects of a table that leaves so much behind that it matters when it is collected. */
const LARGE_TABLE = 5_000;

export class TableFeed {
  /** null: nothing to serve. */
  table: Table | null = null;
  /** How often what is served has changed. */
  changes = 0;
  readonly #geo: boolean;
  #ownSockets: readonly ReservedSocket[];
  /** What was offered while there were no settings to serve it under. */
  #waiting: TableObject[] = [];
  /** Kept versions for the same time. */
  #kept: LastGood = noLastGood;
  #refusedSettings: RefusedObject | null = null;
  /** Of the table when it was made. */
  #objects = 0;
  /** The last step has put a table in the place of a large one. */
  #leavesMuch = false;
  #last: Promise<unknown> = Promise.resolve();

  /** @param options.geo whether this edge has a country database. */
  constructor(ownSockets: readonly ReservedSocket[], { geo }: { geo: boolean }) {
    this.#ownSockets = ownSockets;
    this.#geo = geo;
  }

  /** @returns everything that is refused then; null without `tell`. */
  apply(update: TableUpdate, { tell }: { tell: boolean }): Promise<RefusedObject[] | null> {
    return this.#next(async () => {
      await this.#apply(update);
      return tell ? await this.#tellRefused() : null;
    });
  }

  /** The sockets of this process changed: everything is checked anew. */
  async setOwnSockets(ownSockets: readonly ReservedSocket[]): Promise<void> {
    await this.#next(async () => {
      this.#ownSockets = ownSockets;
      if (this.table) await this.#rebuild([[...this.table.offered()]], this.table);
    });
  }

  /** Never more than one at a time, in the order of the calls. */
  async #next<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(step);
    this.#last = turn.catch(() => undefined).then(() => this.#settle());
    return await turn;
  }

  /** After a step, and before the next one. */
  async #settle(): Promise<void> {
    if (!this.#leavesMuch) return;
    this.#leavesMuch = false;
    await collectOldTable();
  }

  async #apply(update: TableUpdate): Promise<void> {
    const inPlace =
      !update.snapshot &&
      update.objects.length + update.removals.length <= EDIT_OBJECTS_MAX &&
      update.objects.every((each) => each.kind !== "settings") &&
      update.removals.every((each) => each.kind !== "settings");
    if (!this.table || !inPlace || !(await this.#edit(this.table, update))) {
      const kept = lastGoodOf(update.kept ?? []);
      const before = this.table ?? this.#kept;
      const lastGood: LastGood = {
        lastGood: (kind, id) => before.lastGood(kind, id) ?? kept.lastGood(kind, id),
      };
      await this.#rebuild(update.snapshot ? [update.objects] : await this.#merged(update), lastGood);
    }
  }

  async #tellRefused(): Promise<RefusedObject[]> {
    if (!this.table) return this.#refusedWhileWaiting();
    const pace = new Pace();
    const refused: RefusedObject[] = [];
    for (const each of this.table.refused()) {
      refused.push(each);
      if (pace.isDue) await pace.turn();
    }
    return refused;
  }

  #refusedWhileWaiting(): RefusedObject[] {
    const detail = "There are no pool settings to serve it under.";
    const waiting = this.#waiting
      .filter((each) => each.kind !== "settings")
      .map(({ kind, id, hash }) => ({ kind, id, offeredHash: hash, kept: null, code: "no_settings", detail }));
    return this.#refusedSettings ? [this.#refusedSettings, ...waiting] : waiting;
  }

  /** Looks at each object in slices, and then changes the table in one step; false: that would be too long a step. */
  async #edit(table: Table, { objects, removals }: TableUpdate): Promise<boolean> {
    const pace = new Pace();
    const put: CheckedObject[] = [];
    for (const object of objects) {
      if (isPart(object)) put.push(table.check(object));
      if (pace.isDue) await pace.turn();
    }
    const removed = (kind: TableObjectKind): string[] =>
      removals.filter((each) => each.kind === kind).map((each) => each.id);
    if (put.length > 0) await pace.turn();
    const change = { put, removeRoutes: removed("route"), removeBarriers: removed("barrier") };
    if (table.weigh(change, EDIT_WEIGHT_MAX) > EDIT_WEIGHT_MAX) return false;
    table.change(change);
    this.changes++;
    return true;
  }

  /** What was there and stays as it is, before what the update brings. */
  async #merged({ objects, removals }: TableUpdate): Promise<TableObject[][]> {
    const pace = new Pace();
    const goes = new Set<string>();
    const brought = new Map<string, TableObject>();
    for (const removal of removals) {
      goes.add(keyOf(removal));
      if (pace.isDue) await pace.turn();
    }
    for (const object of objects) {
      goes.add(keyOf(object));
      brought.set(keyOf(object), object);
      if (pace.isDue) await pace.turn();
    }
    const stays: TableObject[] = [];
    for (const object of this.table?.offered() ?? this.#waiting) {
      if (!goes.has(keyOf(object))) stays.push(object);
      if (pace.isDue) await pace.turn();
    }
    return [stays, [...brought.values()]];
  }

  /** @param waves one after the other: a later one takes nothing from an earlier one. */
  async #rebuild(waves: readonly (readonly TableObject[])[], lastGood: LastGood): Promise<void> {
    const pace = new Pace();
    const parts: Parts[] = [];
    for (const wave of waves) parts.push(await partsOf(wave, pace));
    const settings = parts.find((each) => each.settings)?.settings;
    const opened = settings && Table.open(settings, { ownSockets: this.#ownSockets, geo: this.#geo }, lastGood);
    this.#refusedSettings =
      settings && opened?.refusal
        ? { kind: "settings", id: settings.id, offeredHash: settings.hash, kept: null, ...opened.refusal }
        : null;
    const table = opened?.table ?? null;
    if (table) {
      await fill(table, parts, lastGood, pace);
      this.#waiting = [];
      this.#kept = noLastGood;
    } else {
      this.#waiting = waves.flat();
      this.#kept = lastGoodOf(this.#waiting.flatMap((each) => lastGood.lastGood(each.kind, each.id) ?? []));
    }
    this.table = table;
    this.changes++;
    this.#leavesMuch = this.#objects >= LARGE_TABLE;
    this.#objects = waves.reduce((sum, wave) => sum + wave.length, 0);
  }
}

/** Objects by their kind. */
interface Parts {
  settings: TableObject | undefined;
  readonly route: PartObject[];
  readonly barrier: PartObject[];
}

async function partsOf(objects: readonly TableObject[], pace: Pace): Promise<Parts> {
  const parts: Parts = { settings: undefined, route: [], barrier: [] };
  for (const object of objects) {
    if (isPart(object)) parts[object.kind].push(object);
    else parts.settings ??= object;
    if (pace.isDue) await pace.turn();
  }
  return parts;
}

/** Each kind of a wave in the order of its ids, so that two edges that are offered the same serve the same. */
async function fill(table: Table, waves: readonly Parts[], lastGood: LastGood, pace: Pace): Promise<void> {
  for (const kind of ["route", "barrier"] as const) {
    for (const wave of waves) {
      const objects = await sortById(wave[kind], pace);
      let together: CheckedObject[] = [];
      let weight = 0;
      for (const [at, object] of objects.entries()) {
        const checked = table.check(object);
        together.push(checked);
        weight += table.weightOf(checked);
        const isEnough = together.length === ADDED_TOGETHER || weight >= WEIGHT_TOGETHER || pace.isDue;
        if (!isEnough && at < objects.length - 1) continue;
        table.add(together, lastGood);
        together = [];
        weight = 0;
        if (pace.isDue) await pace.turn();
      }
    }
  }
  for (const _ of table.finish()) if (pace.isDue) await pace.turn();
}

type PartObject = TableObject & { kind: "route" | "barrier" };

/** Everything but the settings. */
function isPart(object: TableObject): object is PartObject {
  return object.kind !== "settings";
}

const noLastGood: LastGood = { lastGood: () => null };

function lastGoodOf(objects: readonly TableObject[]): LastGood {
  const byKey = new Map(objects.map((each) => [keyOf(each), each]));
  return { lastGood: (kind, id) => byKey.get(`${kind} ${id}`) ?? null };
}

function keyOf(object: { kind: TableObjectKind; id: string }): string {
  return `${object.kind} ${object.id}`;
}
