// Real TLS clients, each asking once for / by a name and telling the certificate and the body it got. Programs that are not
// installed are not in the list; missingClients says which.
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:tls";
import { promisify } from "node:util";
import { X509Certificate } from "node:crypto";
import { browse, chromiumPath } from "./chromium.ts";

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

export const nodeClient: TlsClient = {
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
    return { fingerprint: fingerprintIn(stdout), body: bodyOf(stdout) };
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

const gnutlsClient: TlsClient = {
  name: "gnutls-cli",
  async get({ address, port, servername, caFile }) {
    const names = ["--sni-hostname", servername, "--verify-hostname", servername];
    const args = ["--x509cafile", caFile, ...names, "--print-cert", "--port", String(port), address];
    const asked = run("gnutls-cli", args, { timeout: 20_000 });
    asked.child.stdin?.write(request(servername));
    const { stdout } = await asked;
    return { fingerprint: fingerprintIn(stdout), body: bodyOf(stdout) };
  },
};

const pythonScript = `
import hashlib, socket, ssl, sys
address, port, name, ca, request = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
with socket.create_connection((address, int(port))) as tcp, context.wrap_socket(tcp, server_hostname=name) as tls:
    print(hashlib.sha256(tls.getpeercert(True)).hexdigest())
    tls.sendall(request.encode())
    while data := tls.recv(65536):
        sys.stdout.write(data.decode())
`;

const pythonClient: TlsClient = {
  name: "Python's ssl",
  async get({ address, port, servername, caFile }) {
    const args = ["-c", pythonScript, address, String(port), servername, caFile, request(servername)];
    const { stdout } = await run("python3", args, { timeout: 20_000 });
    const digest = stdout.slice(0, 64).toUpperCase();
    return { fingerprint: digest.match(/../g)?.join(":") ?? "", body: bodyOf(stdout) };
  },
};

const chromiumClient: TlsClient = {
  name: "Chromium",
  async get({ address, port, servername, ca }) {
    return { fingerprint: null, body: await browse({ address, port, host: servername, cert: ca }) };
  },
};

const programs: [program: string, isInstalled: boolean, client: TlsClient][] = [
  ["openssl", runs("openssl", ["version"]), opensslClient],
  ["curl", runs("curl", ["--version"]), curlClient],
  ["gnutls-cli", runs("gnutls-cli", ["--version"]), gnutlsClient],
  ["python3", runs("python3", ["-c", "import ssl"]), pythonClient],
  ["chromium", chromiumPath !== null, chromiumClient],
];

const found = programs.filter(([, isInstalled]) => isInstalled);

export const tlsClients: readonly TlsClient[] = [nodeClient, ...found.map(([, , client]) => client)];

/** Programs that this machine lacks, so that no test speaks through them. */
export const missingClients: readonly string[] = programs
  .filter((each) => !found.includes(each))
  .map(([program]) => program);

function runs(program: string, args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Of the first certificate in PEM. */
function fingerprintIn(text: string): string {
  const pem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(text)?.[0] ?? "";
  return new X509Certificate(pem).fingerprint256;
}

/** Behind the empty line and as long as Content-Length says. */
function bodyOf(text: string): string {
  const length = Number(/Content-Length: (\d+)/.exec(text)?.[1] ?? 0);
  const start = text.indexOf("\r\n\r\n", text.indexOf("HTTP/1.1 "));
  return text.slice(start + 4, start + 4 + length);
}
