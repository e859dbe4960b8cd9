// Resident bytes of a proxy for each connection that it forwards and nobody uses, and for each of which half a hello has come;
// limits and accounting are on. It first serves many connections, a few at a time, so that its code is compiled and what it needs
// once is there. Then thousands are held, let go, and held once more, and the greater of the two growths counts: the first may fill
// memory that was there already, and the second what the first has left.
import { execFileSync } from "node:child_process";
import type { Bench, Figure } from "../benchmark.ts";
import { ask } from "./ask.ts";
import { Lab, type LabProcess } from "./lab.ts";
import { startReturnBackend } from "./nginx.ts";
import { startBackends, startLoad } from "./own-processes.ts";
import { startPeers } from "./peers.ts";
import { residentBytes } from "./process-tree.ts";
import type { Proxy, ProxyJob } from "./proxy.ts";
import { peerFigures } from "./rounds.ts";
import { warmUp } from "./warm-up.ts";
import type { Held, Work } from "./work.ts";

const ROUNDS = 2;
const WARM_UP = 20_000;
const NAME = "pong.bench.test";
const WARM_UP_NAME = "return.bench.test";
const CONNECTIONS_WANTED = 4_000;
/** One source may have 256 that are undecided. */
const SOURCES = 64;
/** A proxy needs two descriptors for each, HAProxy some more; the rest is for everything else. */
const DESCRIPTORS_EACH = 2.5;
const DESCRIPTORS_SPARE = 500;
/** Half a hello must not run out of time. */
const HELLO_SECONDS = 120;
/** Until closed sockets are counted and freed, and what is idle is idle. */
const SETTLE_MS = 500;

const kinds = [
  { hello: "whole", what: "idle connection", bar: "at most 10,240" },
  { hello: "half", what: "half a hello", bar: "" },
] as const;

export async function measureMemory(bench: Bench): Promise<Figure[]> {
  const connections = Math.min(
    CONNECTIONS_WANTED,
    Math.floor((descriptorsMax() - DESCRIPTORS_SPARE) / DESCRIPTORS_EACH),
  );
  bench.note("held connections", `${connections} at a time, with a limit of ${descriptorsMax()} descriptors`);
  const figures: Figure[] = [];
  for (const { hello, what, bar } of kinds) {
    const measured = new Map<string, number[]>();
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [name, growth] of await growths(bench, hello, connections)) {
        bench.tell(`${what}, ${name}: ${Math.round(growth)} bytes`);
        measured.set(name, [...(measured.get(name) ?? []), growth]);
      }
    }
    figures.push(...peerFigures(`resident for ${what}`, "bytes", bar, measured, (run) => run));
  }
  return figures;
}

/** Every peer, in a process that has held nothing before. */
async function growths(bench: Bench, hello: "whole" | "half", connections: number): Promise<Map<string, number>> {
  await using lab = new Lab();
  const load = await startLoad(lab);
  const backends = new Map([
    [NAME, (await startBackends(lab)).pong],
    [WARM_UP_NAME, await startReturnBackend(lab)],
  ]);
  const job: ProxyJob = { backends, place: "proxy", helloSeconds: HELLO_SECONDS, limits: true };
  const peers = await startPeers(bench, lab, job);
  await warmUp(lab, peers, WARM_UP_NAME, WARM_UP);
  const measured = new Map<string, number>();
  for (const peer of peers) {
    const work: Work = { do: "hold", port: peer.port(NAME), name: NAME, connections, sources: SOURCES, hello };
    measured.set(peer.name, Math.max(await growth(load, peer, work), await growth(load, peer, work)));
  }
  return measured;
}

/** Bytes for each, from before they are opened to while all are held. */
async function growth(load: LabProcess, peer: Proxy, work: Extract<Work, { do: "hold" }>): Promise<number> {
  await settled();
  const before = residentBytes(peer.pid ?? -1);
  await ask<Held>(load, work);
  await settled();
  const grown = residentBytes(peer.pid ?? -1) - before;
  const { connections, lost } = await ask<Held>(load, { do: "release" } satisfies Work);
  if (lost > 0) throw new Error(`${peer.name} ended ${lost} of ${connections} connections that were to be held`);
  return grown / connections;
}

function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

/** Of this process, which the others inherit. */
function descriptorsMax(): number {
  const said = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim();
  return said === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(said);
}
