// Times decisions in a process with nothing else in it. Says over IPC what it measured; asked for a number of routes.
import { decide, type DecidableRoute } from "@helloway/routing/decide";
import type { HelloFacts } from "@helloway/routing/hello-facts";
import { canonicalName } from "@helloway/routing/name";
import { NameTable } from "@helloway/routing/name-table";
import { noProtocols } from "@helloway/routing/offered-protocols";
import { answerAll } from "./ask.ts";

/** Of one kind of call, in microseconds, what reading the clock costs included. */
export interface CallTimes {
  p50: number;
  p99: number;
}

export interface LookupTimes {
  routes: number;
  /** Canonical name and lookup, several times. */
  lookup: CallTimes[];
  /** The whole decision. */
  decision: CallTimes[];
  /** Nothing: what reading the clock costs. */
  clock: CallTimes;
}

const RUNS = 5;
const CALLS = 100_000;
const CHANGE_ROUTES = 10_000;
/** Of ten routes of a team this one is a wildcard, and the others one name each. */
const WILDCARD_OF_TEN = 9;

answerAll(async ({ routes }: { routes: number }) => measure(routes));
process.send?.({});

function measure(routes: number): LookupTimes {
  const names = tableOf(routes);
  const table = { names, settings: { noSni: null, unmatched: null } };
  const asked = Array.from({ length: CALLS }, () => askedName(routes));
  const lookup = (facts: HelloFacts): unknown => names.lookup(canonicalName(facts.serverName!)!);
  const decision = (facts: HelloFacts): unknown => decide(table, facts);
  const nothing = (facts: HelloFacts): unknown => facts;
  // The first run of each is what it costs to begin.
  const runs = (call: (facts: HelloFacts) => unknown): CallTimes[] =>
    Array.from({ length: RUNS + 1 }, () => timed(asked, call)).slice(1);
  return { routes, lookup: runs(lookup), decision: runs(decision), clock: runs(nothing)[0]! };
}

function tableOf(routes: number): NameTable<DecidableRoute> {
  const names = new NameTable<DecidableRoute>();
  for (let from = 0; from < routes; from += CHANGE_ROUTES) {
    const put: DecidableRoute[] = [];
    for (let index = from; index < Math.min(routes, from + CHANGE_ROUTES); index += 1) {
      const hostnames = [hostname(index)];
      put.push({ uid: String(index), hostnames, wildcardDepth: "any", criteria: null, access: null });
    }
    names.change({ put, remove: [], putBarriers: [], removeBarriers: [] });
  }
  return names;
}

function hostname(index: number): string {
  const team = `team-${Math.floor(index / 10)}.apps.example.net`;
  return index % 10 === WILDCARD_OF_TEN ? `*.${team}` : `service-${index % 10}.${team}`;
}

/** A third exact, a third by a wildcard, a third that nobody has. */
function askedName(routes: number): string {
  const index = Math.floor(Math.random() * routes);
  const kind = Math.floor(Math.random() * 3);
  const team = Math.floor(index / 10);
  if (kind === 0) return hostname(index).replace("*", "any");
  return kind === 1 ? `some.where-${index}.team-${team}.apps.example.net` : `service-${index}.team-${team}.example.org`;
}

function unasked(): never {
  throw new Error("no route here wants to know");
}

function factsOf(name: string): HelloFacts {
  return { serverName: Buffer.from(name), alpn: noProtocols, versions: [0x0304], source: unasked, country: unasked };
}

/** Each call by itself: a mean of several would hide the slow ones. The hello is made just before, as if it had come in. */
function timed(asked: readonly string[], call: (facts: HelloFacts) => unknown): CallTimes {
  const took = new Float64Array(asked.length);
  for (let i = 0; i < asked.length; i += 1) {
    const hello = factsOf(asked[i]!);
    const started = performance.now();
    const answer = call(hello);
    took[i] = performance.now() - started;
    if (answer === undefined) throw new Error("nothing was answered");
  }
  took.sort();
  const at = (share: number): number => took[Math.floor(share * (took.length - 1))]! * 1_000;
  return { p50: at(0.5), p99: at(0.99) };
}
