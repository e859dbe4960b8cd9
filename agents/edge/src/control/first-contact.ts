// First contact with a control plane whose CA is not known yet. Nothing is sent on this connection but the handshake, and nothing
// that comes over it is believed but one certificate, whose key has the hash that the join token carries. The token itself goes
// only over a connection dialled anew, which trusts that certificate alone.
import type { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { ToldError } from "@helloway/runtime/told-error";
import { describeError } from "./describe-error.ts";
import { formatSocketAddress } from "./format-socket-address.ts";
import { sha256 } from "./sha256.ts";

/** The name in the control plane's certificate, whatever its address. */
export const controlServerName = "control.helloway.internal";

const handshakeTimeoutMs = 10_000;
/** A chain is two certificates long; a longer one is followed no further than this. */
const chainLengthMax = 8;

/** There was no handshake: the network's fault or the other side's, and worth another attempt. */
export class NoContactError extends Error {
  constructor(target: { host: string; port: number }, cause: unknown) {
    super(`no TLS handshake with ${formatSocketAddress(target)}: ${describeError(cause)}`, { cause });
    this.name = "NoContactError";
  }
}

/**
 * The CA certificate (PEM) with the pinned key, from the chain that the address presents. Rejects with ToldError when it presents
 * another, and with NoContactError when there is no handshake.
 */
export async function fetchAuthority(
  target: { host: string; port: number },
  pin: Uint8Array,
  signal: AbortSignal,
): Promise<string> {
  for (const certificate of await presentedChain(target, signal)) {
    const spki = certificate.publicKey.export({ type: "spki", format: "der" });
    if (certificate.ca && Buffer.compare(sha256(spki), pin) === 0) return certificate.toString();
  }
  throw new ToldError(
    `${formatSocketAddress(target)} is not the control plane that this join token is of: none of the certificates it presents has ` +
      "the key that the token names. The token was not sent. Check HELLOWAY_CONTROL_ADDRESS, and that nothing between here and there terminates TLS",
  );
}

async function presentedChain(
  target: { host: string; port: number },
  signal: AbortSignal,
): Promise<readonly X509Certificate[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly X509Certificate[]>();
  // Not verified, on purpose: see the head of this file.
  const socket = connect({
    ...target,
    servername: controlServerName,
    ALPNProtocols: ["h2"],
    rejectUnauthorized: false,
  });
  const fail = (cause: unknown): void => reject(new NoContactError(target, cause));
  const onAbort = (): void => fail("interrupted");
  socket.setTimeout(handshakeTimeoutMs, () => fail(`nothing came for ${handshakeTimeoutMs / 1000} s`));
  socket.once("error", fail);
  socket.once("close", () => fail("the connection was closed"));
  socket.once("secureConnect", () => {
    const chain: X509Certificate[] = [];
    let certificate = socket.getPeerX509Certificate();
    while (certificate !== undefined && chain.length < chainLengthMax) {
      chain.push(certificate);
      certificate = certificate.issuerCertificate;
    }
    resolve(chain);
  });
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}
