// Real TLS clients, each asking once for / by a name and telling the certificate and the body it got. Programs that are not
// installed are not in the list; missingClients says which.
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:tls";
import { promisify } from "node:util";
import { X509Certificate } from "node:crypto";

export interface TlsAnswer {
  /** SHA-256 of the certificate seen; null where the client cannot tell: it verified the name against the CA. */
  fingerprint: string | null;
  body: string;
}

export interface TlsClient {
  readonly name: string;
  get(options: { address: string; port: number; servername: string; ca: string; caFile: string }): Promise<TlsAnswer>;
}

const run = promisify(execFile);

const request = (servername: string): string => `GET / HTTP/1.1\r\nHost: ${servername}\r\nConnection: close\r\n\r\n`;

const nodeClient: TlsClient = {
  name: "Node's tls",
  async get({ address, port, servername, ca }) {
    const socket = connect({ host: address, port, servername, ca });
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    await once(socket, "secureConnect");
    const fingerprint = socket.getPeerX509Certificate()?.fingerprint256 ?? null;
    socket.write(request(servername));
    await once(socket, "close");
    return { fingerprint, body: bodyOf(text) };
  },
};

const opensslClient: TlsClient = {
  name: "openssl s_client",
  async get({ address, port, servername, caFile }) {
    const host = address.includes(":") ? `[${address}]` : address;
    const args = ["s_client", "-connect", `${host}:${port}`, "-servername", servername, "-CAfile", caFile];
    const asked = run("openssl", [...args, "-verify_return_error", "-ign_eof"], { timeout: 20_000 });
    asked.child.stdin?.write(request(servername));
    const { stdout } = await asked;
    const pem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(stdout)?.[0] ?? "";
    return { fingerprint: new X509Certificate(pem).fingerprint256, body: bodyOf(stdout) };
  },
};

const curlClient: TlsClient = {
  name: "curl",
  async get({ address, port, servername, caFile }) {
    const at = address.includes(":") ? `[${address}]` : address;
    const args = [
      "--silent",
      "--show-error",
      "--http1.1",
      "--cacert",
      caFile,
      "--resolve",
      `${servername}:${port}:${at}`,
    ];
    const { stdout } = await run("curl", [...args, `https://${servername}:${port}/`], { timeout: 20_000 });
    return { fingerprint: null, body: stdout };
  },
};

const programs: [program: string, version: string[], client: TlsClient][] = [
  ["openssl", ["version"], opensslClient],
  ["curl", ["--version"], curlClient],
];

const found = programs.filter(([program, version]) => isInstalled(program, version));

export const tlsClients: readonly TlsClient[] = [nodeClient, ...found.map(([, , client]) => client)];

/** Programs that this machine lacks, so that no test speaks through them. */
export const missingClients: readonly string[] = programs
  .filter((each) => !found.includes(each))
  .map(([program]) => program);

function isInstalled(program: string, version: string[]): boolean {
  try {
    execFileSync(program, version, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Behind the empty line and as long as Content-Length says. */
function bodyOf(text: string): string {
  const length = Number(/Content-Length: (\d+)/.exec(text)?.[1] ?? 0);
  const start = text.indexOf("\r\n\r\n", text.indexOf("HTTP/1.1 "));
  return text.slice(start + 4, start + 4 + length);
}
