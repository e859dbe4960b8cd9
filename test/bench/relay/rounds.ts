import { type Figure, toFigure } from "../benchmark.ts";
import type { Proxy } from "./proxy.ts";

/** What every peer did, round by round, by its name. */
export type Measured<T> = ReadonlyMap<string, readonly T[]>;

/** Measures every peer once a round, so that what a machine does beside hits all alike; each round begins with another peer. */
export async function inRounds<T>(
  rounds: number,
  peers: readonly Proxy[],
  measure: (peer: Proxy) => Promise<T>,
): Promise<Measured<T>> {
  const measured = new Map(peers.map((peer) => [peer.name, [] as T[]]));
  for (let round = 0; round < rounds; round += 1) {
    const from = round % peers.length;
    for (const peer of [...peers.slice(from), ...peers.slice(0, from)]) {
      measured.get(peer.name)?.push(await measure(peer));
    }
  }
  return measured;
}

/**
 * One figure a peer, with its ratio to nginx where nginx took part.
 *
 * @param bar what Helloway has to reach, in words.
 * @param value null: the figure says nothing of this peer.
 */
export function peerFigures<T>(
  figure: string,
  unit: string,
  bar: string,
  measured: Measured<T>,
  value: (run: T, peer: string, round: number) => number | null,
): Figure[] {
  const values = new Map<string, number[]>();
  for (const [peer, runs] of measured) {
    const known = runs.map((run, round) => value(run, peer, round)).filter((each) => each !== null);
    if (known.length > 0) values.set(peer, known);
  }
  const nginx = values.get("nginx");
  return [...values].map(([peer, runs]) => {
    const compared = peer === "nginx" || peer === "direct" ? undefined : nginx;
    return toFigure(`${figure}, ${peer}`, unit, peer === "Helloway" ? bar : "", runs, compared);
  });
}
