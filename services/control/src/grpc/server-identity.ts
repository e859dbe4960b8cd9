import { setTimeout as sleep } from "node:timers/promises";
import type * as grpc from "@grpc/grpc-js";
import type { ServerIdentity } from "../fleet/certificates.ts";

type Provider = Parameters<typeof grpc.experimental.createCertificateProviderServerCredentials>[0];

/** What the gRPC port presents and trusts. A new certificate takes the old one's place under live connections. */
export interface ServerIdentityProvider {
  provider: Provider;
  /** Issues new certificates long before they expire, until the signal. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ServerIdentityOptions {
  issue(): Promise<ServerIdentity>;
  /** PEM: whose certificates of edges are taken. */
  authorities: string;
  now(): Date;
  log: { info(fields: object, message: string): void };
}

/** A timer of Node's holds at most 2^31 - 1 ms. */
const sleepMaxMs = 24 * 3_600_000;

export async function createServerIdentityProvider(options: ServerIdentityOptions): Promise<ServerIdentityProvider> {
  const { issue, now, log } = options;
  let identity = await issue();
  let issuedAt = now().getTime();
  const listeners = new Set<Parameters<Provider["addIdentityCertificateListener"]>[0]>();
  const toUpdate = () => ({ certificate: Buffer.from(identity.chain), privateKey: Buffer.from(identity.privateKey) });

  const provider: Provider = {
    // grpc-js hears only what comes after it has asked.
    addCaCertificateListener: (listener) =>
      process.nextTick(listener, { caCertificate: Buffer.from(options.authorities) }),
    removeCaCertificateListener: () => undefined,
    addIdentityCertificateListener(listener) {
      listeners.add(listener);
      process.nextTick(() => listener(toUpdate()));
    },
    removeIdentityCertificateListener: (listener) => void listeners.delete(listener),
  };

  return {
    provider,
    async run(signal) {
      while (!signal.aborted) {
        const dueAt = issuedAt + (identity.notAfter.getTime() - issuedAt) / 2;
        const wait = dueAt - now().getTime();
        if (wait > 0) {
          await sleep(Math.min(wait, sleepMaxMs), undefined, { signal }).catch(() => undefined);
          continue;
        }
        identity = await issue();
        issuedAt = now().getTime();
        for (const listener of listeners) listener(toUpdate());
        log.info({ notAfter: identity.notAfter.toISOString() }, "a new server certificate is presented");
      }
    },
  };
}
