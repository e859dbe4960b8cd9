// A worker whose connections are accepted, decided, forwarded and closed at random until it is told to rest. Where it is to let go, all
// of its routes are served, and it waits for one answer before it lets go again.
import { parentPort, workerData } from "node:worker_threads";
import { closeReasons } from "@helloway/routing/close-reason";
import { type OpenTraffic, Traffic } from "./traffic.ts";

const STEPS_A_TURN = 2_000;
const UNDECIDED_MAX = 20;
const OPEN_MAX = 200;

interface Open extends OpenTraffic {
  readonly route: string;
  backendSlot: number;
  rxBytes: number;
  txBytes: number;
}

/** What a test says of the worker. */
export interface CountingThread {
  rest: Int32Array;
  routes: number;
  backends: number;
  letsGo: boolean;
}

/** What it says of itself at rest. */
export interface Resting {
  accepted: number;
  undecided: number;
  open: number;
  /** By "route backend": attempts, failures and forwarded connections. */
  dials: Map<string, number[]>;
}

const { rest, routes, backends, letsGo } = workerData as CountingThread;
const port = parentPort!;
const traffic = new Traffic((announcement) => port.postMessage({ announcement }));
const open: Open[] = [];
const dials: Resting["dials"] = new Map();
let undecided = 0;
let accepted = 0;
let isAnswered = true;

if (letsGo) {
  port.on("message", (freed: number[]) => {
    traffic.free(freed);
    isAnswered = true;
  });
}

function pick(below: number): number {
  return Math.floor(Math.random() * below);
}

function decide(): void {
  undecided--;
  const number = pick(routes);
  const route = number === 0 ? "-" : `route-${number}`;
  const routeSlot = traffic.open(number === 0 ? null : route);
  open.push({ route, routeSlot, backendSlot: -1, rxBytes: 500, txBytes: 0, flushedRx: 0, flushedTx: 0 });
}

function close(at: number): void {
  const [each] = open.splice(at, 1);
  if (each) traffic.close(each.routeSlot, each.backendSlot, closeReasons[pick(closeReasons.length)]!, each);
}

function forward(each: Open): void {
  const key = `192.0.2.1:${pick(backends)}`;
  const backend = traffic.backend(each.routeSlot, key);
  const isFailing = Math.random() < 0.1;
  const [attempts, failures, opened] = dials.get(`${each.route} ${key}`) ?? [0, 0, 0];
  dials.set(`${each.route} ${key}`, [attempts! + 1, failures! + Number(isFailing), opened! + Number(!isFailing)]);
  traffic.attempt(backend);
  if (isFailing) return traffic.attemptFailed(backend);
  each.backendSlot = backend;
  traffic.openBackend(backend, each);
}

function step(): void {
  const each = open[pick(open.length)];
  const chance = Math.random();
  if (chance < 0.3 && undecided < UNDECIDED_MAX) {
    accepted++;
    undecided++;
    traffic.accept();
  } else if (chance < 0.6 && undecided > 0) decide();
  else if (open.length > OPEN_MAX || chance > 0.9) close(pick(open.length));
  else if (each?.backendSlot === -1) forward(each);
  else if (each) {
    each.rxBytes += pick(1_000);
    each.txBytes += pick(1_000);
  }
}

function turn(): void {
  for (let each = 0; each < STEPS_A_TURN; each++) step();
  traffic.flush(open);
  if (letsGo && isAnswered) {
    isAnswered = false;
    port.postMessage({ left: traffic.letGo(() => true) });
  }
  if (Atomics.load(rest, 0) === 0) setImmediate(turn);
  else port.postMessage({ rests: { accepted, undecided, open: open.length, dials } satisfies Resting });
}

turn();
