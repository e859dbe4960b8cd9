// HTTPS requests through a proxy, as many as go: with a connection each, which makes every one a whole TLS handshake, and over kept
// connections. Nothing is pinned and every program has as many workers as there are cores, so that the whole machine is busy and
// what the proxy uses is taken from client and backend, as it would be.
import { availableParallelism } from "node:os";
import type { Bench, Figure } from "../benchmark.ts";
import { startHttps } from "./https-lab.ts";
import { Lab } from "./lab.ts";
import { overheadFigures } from "./overhead-figures.ts";
import { inRounds, peerFigures } from "./rounds.ts";

const HANDSHAKE_ROUNDS = 5;
const REQUEST_ROUNDS = 3;
const CONNECTIONS = 64;

export async function measureHandshakes(bench: Bench): Promise<Figure[]> {
  await using lab = new Lab(availableParallelism());
  const { peers, load } = await startHttps(bench, lab, "anywhere");
  const each = { connections: CONNECTIONS, close: true, what: "machine busy, a connection each" };
  const kept = { connections: CONNECTIONS, close: false, what: "machine busy, connections kept" };
  const handshakes = await inRounds(HANDSHAKE_ROUNDS, peers, (peer) => load(peer, each));
  const requests = await inRounds(REQUEST_ROUNDS, peers, (peer) => load(peer, kept));
  return [
    ...peerFigures("TLS handshakes", "1/s", "at least 0.9 x nginx", handshakes, (run) => run.perSecond),
    ...overheadFigures(each.what, handshakes),
    ...overheadFigures(kept.what, requests),
  ];
}
