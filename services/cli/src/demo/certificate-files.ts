import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface CertificateFiles {
  key: string;
  cert: string;
}

/** Where the certificate of a demo backend is, for curl's --cacert. */
export function certificatePath(dataDirectory: string, name: string): string {
  return join(dataDirectory, "demo", `${name}.pem`);
}

/** The key and the certificate of a demo backend, made once and kept, so that a later start shows the same. */
export async function keepCertificate(dataDirectory: string, name: string): Promise<CertificateFiles> {
  const certFile = certificatePath(dataDirectory, name);
  const keyFile = join(dataDirectory, "demo", `${name}.key`);
  if (existsSync(certFile) && existsSync(keyFile)) {
    const [key, cert] = await Promise.all([readFile(keyFile, "utf8"), readFile(certFile, "utf8")]);
    return { key, cert };
  }
  // Loaded only when wanted: the X.509 library costs a start a tenth of a second.
  const { createSelfSignedCertificate } = await import("@helloway/runtime/self-signed-certificate");
  const made = await createSelfSignedCertificate([name]);
  await mkdir(join(dataDirectory, "demo"), { recursive: true, mode: 0o700 });
  await writeFile(keyFile, made.key, { mode: 0o600 });
  // The certificate last: its presence says that both are there.
  await writeFile(certFile, made.cert);
  return made;
}
