// A worker whose connections are accepted, decided, forwarded and closed at random until it is told to rest.
import { parentPort, workerData } from "node:worker_threads";
import { closeReasons } from "@helloway/routing/close-reason";
import { type OpenTraffic, Traffic } from "./traffic.ts";

const ROUTES = 300;
const STEPS_A_TURN = 2_000;
const UNDECIDED_MAX = 20;
const OPEN_MAX = 200;

interface Open extends OpenTraffic {
  backendSlot: number;
  rxBytes: number;
  txBytes: number;
}

const { rest } = workerData as { rest: Int32Array };
const port = parentPort!;
const traffic = new Traffic((announcement) => port.postMessage({ announcement }));
const open: Open[] = [];
let undecided = 0;
let accepted = 0;

function pick(below: number): number {
  return Math.floor(Math.random() * below);
}

function decide(): void {
  undecided--;
  const route = pick(ROUTES);
  const routeSlot = traffic.open(route === 0 ? null : `route-${route}`);
  open.push({ routeSlot, backendSlot: -1, rxBytes: 500, txBytes: 0, flushedRx: 0, flushedTx: 0 });
}

function close(at: number): void {
  const [each] = open.splice(at, 1);
  if (each) traffic.close(each.routeSlot, each.backendSlot, closeReasons[pick(closeReasons.length)]!, each);
}

function forward(each: Open): void {
  const backend = traffic.backend(each.routeSlot, `192.0.2.${pick(3)}:443`);
  traffic.attempt(backend);
  if (Math.random() < 0.1) return traffic.attemptFailed(backend);
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
  if (Atomics.load(rest, 0) === 0) setImmediate(turn);
  else port.postMessage({ rests: { accepted, undecided, open: open.length } });
}

turn();
