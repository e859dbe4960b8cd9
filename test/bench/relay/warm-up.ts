import { helloFor } from "./hello.ts";
import type { Lab } from "./lab.ts";
import type { Proxy } from "./proxy.ts";
import { wrk, wrkScript } from "./wrk.ts";

const CONNECTIONS = 64;
const SECONDS = 1;

/**
 * Sends whole connections through every peer until it is as fast as it gets: its code is compiled, and every socket buffer that the
 * kernel keeps is there.
 *
 * @param name of a return backend (nginx.ts).
 * @param connections at least as many through each.
 */
export async function warmUp(lab: Lab, peers: readonly Proxy[], name: string, connections: number): Promise<void> {
  const script = wrkScript(helloFor(name));
  for (const peer of peers) {
    const options = { connections: CONNECTIONS, seconds: SECONDS, place: "load", script } as const;
    for (let left = connections; left > 0;) left -= (await wrk(lab, urlOf(peer, name), options)).requests;
  }
}

/** Where wrk finds the peer; it sends no name of its own for an address. */
export function urlOf(peer: Proxy, name: string): string {
  return `http://127.0.0.1:${peer.port(name)}`;
}
