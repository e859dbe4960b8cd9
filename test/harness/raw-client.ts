import { connect } from "node:net";
import { once } from "node:events";
import { Peer } from "./peer.ts";

/** A TCP client that writes what it is told, unbuffered. */
export async function connectRaw(address: { address: string; port: number }): Promise<Peer> {
  const socket = connect({ host: address.address, port: address.port, allowHalfOpen: true, noDelay: true });
  const peer = new Peer(socket);
  await once(socket, "connect");
  return peer;
}
