import { once } from "node:events";
import { helloFor } from "../hello.ts";
import type { Latency, Work } from "../work.ts";
import { answer, open, REQUEST } from "./request.ts";

type LatencyWork = Extract<Work, { do: "latency" }>;

/** What came first is left out: it is what it costs to begin. */
const WARM_UP_SHARE = 0.1;

export async function latency(work: LatencyWork): Promise<Latency> {
  const samples = work.connection === "new" ? await overNew(work) : await overKept(work);
  const counted = samples.slice(Math.floor(samples.length * WARM_UP_SHARE)).sort((a, b) => a - b);
  const at = (share: number): number => counted[Math.floor(share * (counted.length - 1))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

async function overNew(work: LatencyWork): Promise<number[]> {
  const hello = helloFor(work.name);
  const samples: number[] = [];
  for (let sample = 0; sample < work.samples; sample += 1) {
    const started = performance.now();
    const socket = open(work.port);
    socket.write(hello);
    await answer(socket);
    samples.push((performance.now() - started) * 1_000);
    socket.end();
    await once(socket, "close");
  }
  return samples;
}

async function overKept(work: LatencyWork): Promise<number[]> {
  const socket = open(work.port);
  socket.write(helloFor(work.name));
  await answer(socket);
  const samples: number[] = [];
  for (let sample = 0; sample < work.samples; sample += 1) {
    const started = performance.now();
    socket.write(REQUEST);
    await answer(socket);
    samples.push((performance.now() - started) * 1_000);
  }
  socket.destroy();
  return samples;
}
