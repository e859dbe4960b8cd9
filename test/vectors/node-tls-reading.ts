import { Duplex } from "node:stream";
import { TLSSocket, type SecureContext, type TLSSocketOptions } from "node:tls";

export interface TlsReading {
  /** The server name that Node's TLS server went by, one character a byte; null: it read none, or gave up before. */
  serverName: string | null;
  /** The protocols it was offered, by Node without the top bit of each byte; null: none, or it gave up before. */
  protocols: string[] | null;
}

/**
 * Feeds the bytes to Node's own TLS server and reports what it read of the hello. The handshake is stopped as soon as both are
 * known, before anything is signed.
 * @param offersAlpn whether to wait for the protocols as well.
 */
export async function readWithNodeTls(
  bytes: Uint8Array,
  context: SecureContext,
  offersAlpn: boolean,
): Promise<TlsReading> {
  const reading: TlsReading = { serverName: null, protocols: null };
  const wire = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const { promise, resolve } = Promise.withResolvers<void>();
  // ALPNCallback is an option of the socket, which the types know on servers alone.
  const options: TLSSocketOptions & {
    ALPNCallback(offer: { servername: string; protocols: string[] }): string | undefined;
  } = {
    isServer: true,
    secureContext: context,
    SNICallback(name, done) {
      reading.serverName = name;
      done(offersAlpn && reading.protocols === null ? null : new Error("Enough was read."));
    },
    ALPNCallback({ servername, protocols }) {
      if (servername) reading.serverName = servername;
      reading.protocols = protocols;
      // TLS 1.3 asks before it reports the name; undefined ends the handshake.
      return reading.serverName === null ? protocols[0] : undefined;
    },
  };
  const socket = new TLSSocket(wire, options);
  socket.on("error", () => {});
  socket.on("close", () => resolve());
  // A server that wants more of the hello would wait for it half open; by the end of the wire it has read what there is.
  wire.on("end", () => setImmediate(() => socket.destroy()));
  wire.push(bytes);
  wire.push(null);
  socket.resume();
  await promise;
  return reading;
}
