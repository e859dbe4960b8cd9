// Enrolment: from a join token to an identity. Every step may be repeated, also by a later run: the key is saved before it is used, and
// the control plane gives the same token and key the same answer.
import { type KeyObject, X509Certificate, createPublicKey } from "node:crypto";
import { status } from "@grpc/grpc-js";
import type { EnrollResponse } from "@helloway/proto/edge";
import type { SocketAddress } from "@helloway/runtime/environment-fields";
import type { Logger } from "@helloway/runtime/logger";
import { ToldError } from "@helloway/runtime/told-error";
import { Backoff } from "./backoff.ts";
import { createCertificateRequest } from "./certificate-request.ts";
import { createEdgeClient } from "./channel.ts";
import { describeError } from "./describe-error.ts";
import { NoContactError, fetchAuthority } from "./first-contact.ts";
import { formatSocketAddress } from "./format-socket-address.ts";
import { type Identity, saveIdentity } from "./identity.ts";
import type { JoinToken } from "./join-token.ts";
import { pause } from "./pause.ts";
import { forgetPendingKey, pendingKey } from "./pending-key.ts";
import { isServiceError } from "./service-error.ts";

const enrollDeadlineMs = 15_000;

export interface EnrolOptions {
  dataDirectory: string;
  control: SocketAddress;
  joinToken: JoinToken;
  /** Asked for; a token bound to a name overrides it. */
  name: string;
  log: Logger;
}

/**
 * Enrols, trying again for as long as the control plane is not there. Rejects with ToldError when it says no, and with the
 * signal's reason when that aborts.
 */
export async function enrol(options: EnrolOptions, signal: AbortSignal): Promise<Identity> {
  const backoff = new Backoff({ firstMs: 250, maxMs: 15_000 });
  const address = formatSocketAddress(options.control);
  let said = "";
  for (;;) {
    signal.throwIfAborted();
    try {
      return await enrolOnce(options, address, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isTransient(error)) throw toTold(error, address);
      const reason = describeError(error);
      if (reason !== said) options.log.warn({ address, reason }, "not enrolled yet; trying again");
      said = reason;
    }
    await pause(backoff.nextMs(), signal);
  }
}

async function enrolOnce(options: EnrolOptions, address: string, signal: AbortSignal): Promise<Identity> {
  const { dataDirectory, control, joinToken, name } = options;
  const privateKey = await pendingKey(dataDirectory);
  const certificateRequest = await createCertificateRequest(privateKey);
  const authority = await fetchAuthority(control, joinToken.pin, signal);
  const client = createEdgeClient(address, [authority], null);
  try {
    const response = await client.enroll(
      { joinToken: joinToken.token, certificateRequest, name },
      { signal, deadlineMs: enrollDeadlineMs },
    );
    const identity = toIdentity(response, { privateKey, authority, address });
    await saveIdentity(dataDirectory, identity);
    await forgetPendingKey(dataDirectory);
    return identity;
  } finally {
    client.close();
  }
}

function toIdentity(
  response: EnrollResponse,
  own: { privateKey: KeyObject; authority: string; address: string },
): Identity {
  const certificate = new X509Certificate(response.certificate);
  const publicKey = createPublicKey(own.privateKey);
  if (!certificate.publicKey.equals(publicKey)) {
    throw new ToldError(
      "the control plane answered the enrolment with a certificate for another key: ask for a new join token",
    );
  }
  const offered = response.caCertificates.map((der) => new X509Certificate(der).toString());
  const authorities = [...new Set([own.authority, ...offered])];
  if (!authorities.some((pem) => certificate.verify(new X509Certificate(pem).publicKey))) {
    throw new ToldError(
      "the control plane answered the enrolment with a certificate that none of its authorities issued",
    );
  }
  return {
    edgeId: response.edgeId,
    name: response.name,
    pool: response.pool,
    installation: response.installation,
    controlAddress: own.address,
    privateKey: own.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    certificate: certificate.toString(),
    authorities,
  };
}

/** Whether the same attempt may succeed later. */
function isTransient(error: unknown): boolean {
  if (error instanceof NoContactError) return true;
  if (!isServiceError(error)) return false;
  switch (error.code) {
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
    case status.RESOURCE_EXHAUSTED:
    case status.ABORTED:
    case status.CANCELLED:
      return true;
    default:
      return false;
  }
}

function toTold(error: unknown, address: string): Error {
  if (error instanceof ToldError) return error;
  if (!isServiceError(error)) return error instanceof Error ? error : new Error(String(error));
  const said = error.details === "" ? "" : ` (${error.details})`;
  switch (error.code) {
    case status.UNAUTHENTICATED:
      return new ToldError(
        `the control plane at ${address} refuses the join token${said}: it is used, expired or revoked. Ask for a new one ` +
          "(POST /api/v1/pools/{pool}/join-tokens) and set HELLOWAY_JOIN_TOKEN to it",
        { cause: error },
      );
    case status.ALREADY_EXISTS:
      return new ToldError(
        `the control plane at ${address} has an edge of this name already${said}: set HELLOWAY_EDGE_NAME to another one, or remove that edge`,
        { cause: error },
      );
    case status.INVALID_ARGUMENT:
      return new ToldError(`the control plane at ${address} refuses the enrolment${said}: check HELLOWAY_EDGE_NAME`, {
        cause: error,
      });
    default:
      return new ToldError(`the control plane at ${address} refuses the enrolment: ${error.message}`, { cause: error });
  }
}
