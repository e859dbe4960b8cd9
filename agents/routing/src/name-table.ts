// Which routes decide a name. The walk goes from the name itself outward: the exact name, then the wildcards from the one
// with the most labels to the shortest. The first level at which a route or a barrier covers the name decides, and nothing
// further out is tried.
//
// Invariants:
// - After any sequence of changes the table answers as one built afresh from what is in it.
// - An answer once handed out is never modified: a connection may keep it across a change.
// - On one level routes come before a barrier: the domain's own team is served below a barrier that keeps others out.
// - lookup() allocates nothing, and asks only at depths where the table has something that covers names below.
import { longerNameHash, NAME_HASH_START } from "./name-hash.ts";
import { NameIndex } from "./name-index.ts";
import { ShardedMap } from "./sharded-map.ts";

export interface RouteNames {
  readonly uid: string;
  /** Canonical; a wildcard is "*." and a canonical name. */
  readonly hostnames: readonly string[];
  readonly wildcardDepth: "any" | "one";
}

export interface BarrierNames {
  id: string;
  /** Canonical. "*." and a name: everything below the name, not the name itself. */
  name: string;
  /** True: the name and everything below it. */
  tree: boolean;
  /** Of a name that begins with "*.": how many labels it stands for; absent: any. */
  depth?: "any" | "one";
}

export type Lookup<R> =
  | {
      kind: "routes";
      /** The hostname that decided. */
      hostname: string;
      /** All routes that hold it and cover the name, ordered by uid; never empty. */
      routes: readonly R[];
    }
  | {
      kind: "barrier";
      /** The barrier's name. */
      name: string;
    }
  | { kind: "none" };

export interface NameTableEdit<R> {
  put: readonly R[];
  /** Uids of routes. Removals come before puts. */
  remove: readonly string[];
  putBarriers: readonly BarrierNames[];
  removeBarriers: readonly string[];
}

const nothing = { kind: "none" } as const;
const noRoutes: readonly never[] = [];
const noBarriers: readonly BarrierNames[] = [];

/** A name of at most 253 bytes has at most 127 labels. */
const LABELS_MAX = 127;
const DOT = 46;

/** Of the name that is looked up: where its parts begin that have one label, two labels, and so on, and their hashes. */
const partAt = new Int32Array(LABELS_MAX + 1);
const partHash = new Int32Array(LABELS_MAX + 1);

/** Everything the table knows at one name, and the answers that follow from it. */
interface NameNode<R> {
  name: string;
  /** Routes that hold the name, and those that hold "*." and the name, by uid. */
  exact: readonly R[];
  wild: readonly R[];
  barriers: readonly BarrierNames[];
  /** Answers for the name itself, for names one label below it, and for deeper ones; null: look further out. */
  here: Lookup<R> | null;
  child: Lookup<R> | null;
  deep: Lookup<R> | null;
}

export class NameTable<R extends RouteNames> {
  readonly #nodes = new NameIndex<NameNode<R>>();
  readonly #routes = new ShardedMap<R>();
  readonly #barriers = new ShardedMap<BarrierNames>();
  /** By number of labels: how many names have something that covers names below them. */
  readonly #treesByLabels = new Uint32Array(LABELS_MAX + 2);

  /** Number of routes. */
  get size(): number {
    return this.#routes.size;
  }

  /** @param name canonical, as canonicalName() gives it. */
  lookup(name: string): Lookup<R> {
    let hash = NAME_HASH_START;
    let parts = 0;
    for (let at = name.length - 1; at >= 0; at--) {
      const code = name.charCodeAt(at);
      if (code === DOT && parts < LABELS_MAX) {
        partAt[parts] = at + 1;
        partHash[parts] = hash;
        parts++;
      }
      hash = longerNameHash(hash, code);
    }
    const here = this.#nodes.find(name, 0, hash)?.here;
    if (here) return here;
    for (let labels = parts; labels > 0; labels--) {
      if (this.#treesByLabels[labels] === 0) continue;
      const node = this.#nodes.find(name, partAt[labels - 1]!, partHash[labels - 1]!);
      const answer = labels === parts ? node?.child : node?.deep;
      if (answer) return answer;
    }
    return nothing;
  }

  /** Applies an edit in one step; touches only the names that the edit names, now or before. */
  change(edit: NameTableEdit<R>): void {
    const touched = new Set<NameNode<R>>();
    for (const uid of edit.remove) this.#takeRoute(uid, touched);
    for (const id of edit.removeBarriers) this.#takeBarrier(id, touched);
    for (const route of edit.put) {
      this.#takeRoute(route.uid, touched);
      this.#routes.set(route.uid, route);
      for (const hostname of new Set(route.hostnames)) {
        const node = this.#node(baseOf(hostname), touched);
        if (isWildcard(hostname)) node.wild = withRoute(node.wild, route);
        else node.exact = withRoute(node.exact, route);
      }
    }
    for (const barrier of edit.putBarriers) {
      this.#takeBarrier(barrier.id, touched);
      this.#barriers.set(barrier.id, barrier);
      const node = this.#node(baseOf(barrier.name), touched);
      node.barriers = [...node.barriers, barrier];
    }
    for (const node of touched) this.#settle(node);
  }

  #takeRoute(uid: string, touched: Set<NameNode<R>>): void {
    const route = this.#routes.get(uid);
    if (!route) return;
    this.#routes.delete(uid);
    for (const hostname of new Set(route.hostnames)) {
      const node = this.#node(baseOf(hostname), touched);
      if (isWildcard(hostname)) node.wild = withoutRoute(node.wild, uid);
      else node.exact = withoutRoute(node.exact, uid);
    }
  }

  #takeBarrier(id: string, touched: Set<NameNode<R>>): void {
    const barrier = this.#barriers.get(id);
    if (!barrier) return;
    this.#barriers.delete(id);
    const node = this.#node(baseOf(barrier.name), touched);
    const left = node.barriers.filter((other) => other.id !== id);
    node.barriers = left.length === 0 ? noBarriers : left;
  }

  #node(name: string, touched: Set<NameNode<R>>): NameNode<R> {
    let node = this.#nodes.get(name);
    if (!node) {
      node = { name, exact: noRoutes, wild: noRoutes, barriers: noBarriers, here: null, child: null, deep: null };
      this.#nodes.add(node);
    }
    touched.add(node);
    return node;
  }

  /** Makes the answers of a node agree with what it holds; forgets an empty one. */
  #settle(node: NameNode<R>): void {
    const coveredBelow = node.child !== null;
    const { name, exact, wild, barriers } = node;
    const barrier: Lookup<R> = { kind: "barrier", name };
    const barredHere = barriers.some((each) => !isWildcard(each.name));
    const barredBelow = barriers.some((each) => each.tree || isWildcard(each.name));
    const barredDeep = barriers.some((each) => each.tree || (isWildcard(each.name) && each.depth !== "one"));
    const hostname = `*.${name}`;
    const anyDepth = wild.filter((route) => route.wildcardDepth === "any");
    node.here = exact.length > 0 ? { kind: "routes", hostname: name, routes: exact } : barredHere ? barrier : null;
    node.child = wild.length > 0 ? { kind: "routes", hostname, routes: wild } : barredBelow ? barrier : null;
    if (anyDepth.length > 0) {
      node.deep = anyDepth.length === wild.length ? node.child : { kind: "routes", hostname, routes: anyDepth };
    } else node.deep = barredDeep ? barrier : null;
    const coversBelow = node.child !== null;
    const labels = Math.min(labelCount(name), LABELS_MAX + 1);
    if (coversBelow !== coveredBelow) this.#treesByLabels[labels]! += coversBelow ? 1 : -1;
    if (node.here === null && node.child === null) this.#nodes.delete(name);
  }
}

function isWildcard(hostname: string): boolean {
  return hostname.startsWith("*.");
}

function baseOf(hostname: string): string {
  return isWildcard(hostname) ? hostname.slice(2) : hostname;
}

function labelCount(name: string): number {
  let count = 1;
  for (let dot = name.indexOf("."); dot !== -1; dot = name.indexOf(".", dot + 1)) count++;
  return count;
}

function withRoute<R extends RouteNames>(routes: readonly R[], route: R): readonly R[] {
  const at = routes.findIndex((other) => other.uid > route.uid);
  return at === -1 ? [...routes, route] : [...routes.slice(0, at), route, ...routes.slice(at)];
}

function withoutRoute<R extends RouteNames>(routes: readonly R[], uid: string): readonly R[] {
  const left = routes.filter((route) => route.uid !== uid);
  return left.length === 0 ? noRoutes : left;
}
