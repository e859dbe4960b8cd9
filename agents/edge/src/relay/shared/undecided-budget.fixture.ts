// A worker whose connections come, grow and go at random until it is told to rest.
import { parentPort, workerData } from "node:worker_threads";
import type { BudgetMemory } from "./budget-sources.ts";
import { type Undecided, UndecidedBudget } from "./undecided-budget.ts";

const SOURCES = 10;
const STEPS_A_TURN = 50;

interface Known extends Undecided {
  readonly number: number;
  bytes: number;
}

const { memory, worker: own } = workerData as { memory: BudgetMemory; worker: number };
const port = parentPort!;
const budget = new UndecidedBudget(memory, own, (worker, source) => port.postMessage({ worker, source }));
const held: Known[] = [];
let resting = false;

function add(): void {
  const number = Math.floor(Math.random() * SOURCES);
  const added: Known = { source: `192.0.2.${number}`, number, bytes: 0, place: null, evict: () => remove(added) };
  held.push(added);
  budget.add(added);
}

function remove(known: Known): void {
  const at = held.indexOf(known);
  if (at >= 0) held.splice(at, 1);
  budget.remove(known);
}

function step(): void {
  const picked = held[Math.floor(Math.random() * held.length)];
  const chance = Math.random();
  if (!picked || chance < 0.5) return add();
  if (chance < 0.6) return remove(picked);
  const bytes = Math.floor(Math.random() * 500);
  picked.bytes += bytes;
  budget.grow(picked, bytes);
}

function turn(): void {
  if (resting) return;
  for (let each = 0; each < STEPS_A_TURN; each++) step();
  setImmediate(turn);
}

port.on("message", (message: { command?: "rest" | "leave"; source?: number; relieve?: true }) => {
  if (message.source !== undefined) budget.evictOldest(message.source);
  if (message.relieve) budget.relieve();
  if (message.command === undefined) return;
  resting = true;
  if (message.command === "leave") while (held[0]) remove(held[0]);
  const bySource = Array.from({ length: SOURCES }, () => 0);
  for (const { number } of held) bySource[number]!++;
  const bytes = held.reduce((sum, known) => sum + known.bytes, 0);
  port.postMessage({ answer: { connections: held.length, bytes, bySource } });
});

turn();
