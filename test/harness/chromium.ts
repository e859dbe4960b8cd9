// A real browser, for one page at a time.
import { execFile, execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const names = ["chromium", "chromium-browser", "google-chrome"];
/** null: none is installed. */
export const chromiumPath: string | null = [process.env["CHROMIUM_PATH"], ...names].find(isInstalled) ?? null;

export interface PageOptions {
  /** Where the page's host is, in place of what its name says. */
  address: string;
  port: number;
  host: string;
  /** PEM: the only certificate that is accepted without a CA. */
  cert: string;
}

/** The text of the page "/". Every call is a browser with a profile of its own. */
export async function browse({ address, port, host, cert }: PageOptions): Promise<string> {
  if (chromiumPath === null) throw new Error("no Chromium is installed");
  const profile = await mkdtemp(join(tmpdir(), "helloway-chromium-"));
  const at = address.includes(":") ? `[${address}]` : address;
  const args = [
    "--headless",
    // Root may not have one.
    "--no-sandbox",
    "--disable-gpu",
    `--user-data-dir=${profile}`,
    `--host-resolver-rules=MAP ${host} ${at}`,
    `--ignore-certificate-errors-spki-list=${publicKeyHash(cert)}`,
    "--dump-dom",
  ];
  try {
    const { stdout } = await run(chromiumPath, [...args, `https://${host}:${port}/`], { timeout: 60_000 });
    return stdout.replaceAll(/<[^>]*>/g, "").trim();
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** SHA-256 of its public key, in base64. */
function publicKeyHash(cert: string): string {
  const key = new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("base64");
}

function isInstalled(path: string | undefined): boolean {
  if (path === undefined) return false;
  try {
    execFileSync(path, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
