import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ToldError } from "@helloway/runtime/told-error";
import { z } from "zod";
import { describeError } from "./describe-error.ts";
import { writeDurably } from "./durable-file.ts";

/** What makes this agent one edge of one installation. */
export interface Identity {
  edgeId: string;
  name: string;
  /** The pool's name at enrolment. */
  pool: string;
  installation: string;
  /** Where the control plane was reached last, host:port. */
  controlAddress: string;
  /** PKCS #8, PEM. */
  privateKey: string;
  /** X.509, PEM. */
  certificate: string;
  /** Of the installation's CA, X.509, PEM. */
  authorities: string[];
}

const formatName = "helloway identity 1";

const savedIdentity = z.object({
  format: z.literal(formatName),
  edgeId: z.string().min(1),
  name: z.string().min(1),
  pool: z.string(),
  installation: z.string().min(1),
  controlAddress: z.string().min(1),
  privateKey: z.string().includes("PRIVATE KEY"),
  certificate: z.string().includes("CERTIFICATE"),
  authorities: z.array(z.string().includes("CERTIFICATE")).min(1),
});

/** Where an edge's identity and the key it asks for one with are. */
export function identityDirectory(dataDirectory: string): string {
  return join(dataDirectory, "edge", "identity");
}

/** null: none yet. Throws ToldError when the file is there and cannot be used. */
export async function loadIdentity(dataDirectory: string): Promise<Identity | null> {
  const path = identityPath(dataDirectory);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new ToldError(`the identity of this edge cannot be read: ${describeError(error)}`, { cause: error });
  }
  try {
    const { format: _, ...identity } = savedIdentity.parse(JSON.parse(text));
    return identity;
  } catch (error) {
    throw new ToldError(
      `${path} is not a usable identity: restore it from a backup, or remove it and enrol anew with a join token`,
      { cause: error },
    );
  }
}

export async function saveIdentity(dataDirectory: string, identity: Identity): Promise<void> {
  await mkdir(identityDirectory(dataDirectory), { recursive: true, mode: 0o700 });
  await writeDurably(identityPath(dataDirectory), `${JSON.stringify({ format: formatName, ...identity }, null, 2)}\n`);
}

function identityPath(dataDirectory: string): string {
  return join(identityDirectory(dataDirectory), "identity.json");
}
