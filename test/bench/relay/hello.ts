import { randomBytes } from "node:crypto";
import { alpn, clientHello, keyShare, record, serverName, supportedVersions } from "../../vectors/hello-bytes.ts";

/** A hello for the name, of the size that clients without post-quantum key shares send. */
export function helloFor(name: string): Buffer {
  const extensions = [serverName(name), alpn("h2", "http/1.1"), supportedVersions(0x0304, 0x0303), keyShare(29)];
  const cipherSuites = new Uint8Array(32).fill(0x13);
  const parts = { random: randomBytes(32), sessionId: randomBytes(32), cipherSuites, extensions };
  return Buffer.from(record(clientHello(parts)));
}
