import { credentials } from "@grpc/grpc-js";
import type { ChannelCredentials, ChannelOptions } from "@grpc/grpc-js";
import { EdgeService } from "@helloway/proto/edge";
import { type ServiceClient, createClient } from "@helloway/proto/grpc";
import { controlServerName } from "./first-contact.ts";

export type EdgeClient = ServiceClient<typeof EdgeService>;

const channelOptions: ChannelOptions = {
  "grpc.ssl_target_name_override": controlServerName,
  "grpc.default_authority": controlServerName,
  // A control plane that vanished without a FIN is noticed within 15 s.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 1,
  // Sessions and reports are repeated above, where it is known what repeating means.
  "grpc.enable_retries": 0,
  "grpc.service_config_disable_resolution": 1,
  // One channel an attempt, each with a connection of its own: no backoff but ours.
  "grpc.use_local_subchannel_pool": 1,
  // A part of a snapshot and its framing; parts are far smaller.
  "grpc.max_receive_message_length": 16 * 1024 * 1024,
  "grpc.enable_http_proxy": 0,
};

/** What an agent proves itself with; absent before enrolment. */
export interface ClientCertificate {
  privateKey: string;
  certificate: string;
}

/** A client of the control plane at host:port, which trusts only these authorities (PEM) and the one fixed name. */
export function createEdgeClient(
  address: string,
  authorities: readonly string[],
  own: ClientCertificate | null,
): EdgeClient {
  return createClient(EdgeService, address, tlsCredentials(authorities, own), channelOptions);
}

function tlsCredentials(authorities: readonly string[], own: ClientCertificate | null): ChannelCredentials {
  const roots = Buffer.from(authorities.join("\n"));
  if (own === null) return credentials.createSsl(roots);
  return credentials.createSsl(roots, Buffer.from(own.privateKey), Buffer.from(own.certificate));
}
