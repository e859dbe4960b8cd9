import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface Visit {
  /** What the backend said first, without the line end. */
  greeting: string;
  /** SHA-256 fingerprint of the certificate that the client saw. */
  fingerprint: string;
  /** Bytes this client's TCP socket sent and received. */
  sent: number;
  received: number;
}

/** One TLS connection through an edge: handshake, the backend's greeting, a message echoed, an orderly end. */
export async function visit(options: {
  port: number;
  servername: string;
  ca: string;
  message?: string;
}): Promise<Visit> {
  const tcp: Socket = connectTcp({ host: "127.0.0.1", port: options.port });
  const tls = connectTls({ socket: tcp, servername: options.servername, ca: options.ca });
  const message = options.message ?? "hello\n";
  return await new Promise<Visit>((resolve, reject) => {
    let text = "";
    let fingerprint = "";
    tls.setEncoding("utf8");
    tls.on("secureConnect", () => {
      fingerprint = tls.getPeerCertificate().fingerprint256;
      tls.write(message);
    });
    tls.on("data", (chunk: string) => {
      text += chunk;
      const lineEnd = text.indexOf("\n");
      if (lineEnd >= 0 && text.length >= lineEnd + 1 + message.length) tls.end();
    });
    tls.on("error", reject);
    tcp.on("error", reject);
    tcp.on("close", () => {
      const lineEnd = text.indexOf("\n");
      if (lineEnd < 0) reject(new Error(`closed before the greeting, ${tcp.bytesRead} bytes received`));
      else resolve({ greeting: text.slice(0, lineEnd), fingerprint, sent: tcp.bytesWritten, received: tcp.bytesRead });
    });
  });
}
