import { connect } from "node:net";
import { once } from "node:events";
import { Peer } from "./peer.ts";

/** A TCP client that writes what it is told, unbuffered. @param from an address of this host; absent: the kernel chooses. */
export async function connectRaw({ address, port }: { address: string; port: number }, from?: string): Promise<Peer> {
  const local = from === undefined ? {} : { localAddress: from };
  const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true, ...local });
  const peer = new Peer(socket);
  await once(socket, "connect");
  return peer;
}
