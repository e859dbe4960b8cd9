import { hostname } from "node:os";
import { parseAddress } from "@helloway/routing/address";
import { readEnvironment } from "@helloway/runtime/environment";
import {
  type SocketAddress,
  duration,
  logFormat,
  logLevel,
  secret,
  socketAddress,
  socketAddressList,
} from "@helloway/runtime/environment-fields";
import { z } from "zod";
import { edgeNameOfHost, isEdgeName } from "./control/edge-name.ts";
import { formatSocketAddress } from "./control/format-socket-address.ts";
import { hasIpv6, isReachable } from "./control/own-addresses.ts";
import type { ListenerAddress } from "./relay/relay.ts";

export interface AgentConfig {
  /** As given; not made yet. */
  dataDirectory: string;
  listen: readonly ListenerAddress[];
  /** Public addresses to report; null: those of the listeners. */
  addresses: readonly string[] | null;
  admin: ListenerAddress;
  /** null: the one saved with the identity. */
  control: SocketAddress | null;
  /** Read only by an agent without an identity, so its file may be gone later; null: none given. */
  joinToken: { text: string } | { file: string } | null;
  edgeName: string;
  drainTimeoutMs: number;
  /** "ip:port" each; null: the system's. */
  dnsServers: readonly string[] | null;
  logLevel: z.infer<typeof logLevel>;
  logFormat: z.infer<typeof logFormat> | undefined;
}

/** A host that is an IP address, as sockets want it. */
function toListener(socket: SocketAddress, context: z.RefinementCtx): ListenerAddress {
  const address = parseAddress(socket.host);
  if (address === null) {
    context.addIssue({ code: "custom", message: `${JSON.stringify(socket.host)} must be an IP address` });
    return z.NEVER;
  }
  return { address: address.text, port: socket.port };
}

/** What a later agent does; saying it today would be a promise. */
function notSupportedYet(what: string) {
  return z
    .string()
    .refine(() => false, `${what} is not supported yet: leave it unset`)
    .optional();
}

const listen = z.string().transform((text, context): ListenerAddress[] =>
  text.split(",").map((piece) => {
    const part = piece.trim();
    const unsupported = unsupportedListener(part);
    const socket = unsupported === null ? socketAddress.safeParse(part) : null;
    if (socket?.success === true) return toListener(socket.data, context);
    const messages = socket === null ? [`${part}: ${unsupported}`] : socket.error.issues.map((issue) => issue.message);
    for (const message of messages) context.addIssue({ code: "custom", message });
    return z.NEVER;
  }),
);

function unsupportedListener(part: string): string | null {
  if (part.startsWith("fd:")) return "sockets passed by a supervisor are not supported yet";
  if (part.includes("+")) return "the PROXY protocol on a listener is not supported yet";
  return null;
}

const addresses = z.string().transform((text, context): string[] =>
  text.split(",").map((part) => {
    const address = parseAddress(part.trim());
    if (address !== null && isReachable(address)) return address.text;
    const problem =
      address === null
        ? "is not an IP address"
        : "is a loopback, link-local or unspecified address, which no client can connect to";
    context.addIssue({ code: "custom", message: `${JSON.stringify(part.trim())} ${problem}` });
    return z.NEVER;
  }),
);

const environment = z
  .object({
    HELLOWAY_DATA_DIR: z.string().prefault(".helloway"),
    HELLOWAY_EDGE_LISTEN: listen.optional(),
    HELLOWAY_EDGE_ADDRESSES: addresses.optional(),
    HELLOWAY_EDGE_ADMIN: socketAddress.transform(toListener).prefault("127.0.0.1:9443"),
    HELLOWAY_EDGE_PROXY_TRUSTED: notSupportedYet("the PROXY protocol on listeners"),
    HELLOWAY_CONTROL_ADDRESS: socketAddress.optional(),
    HELLOWAY_JOIN_TOKEN: secret.optional(),
    HELLOWAY_JOIN_TOKEN_FILE: z.string().optional(),
    HELLOWAY_EDGE_NAME: z
      .string()
      .refine(isEdgeName, "must be 1 to 253 of a-z, 0-9, hyphen and dot, with a letter or digit at either end")
      .optional(),
    HELLOWAY_DRAIN_TIMEOUT: duration.prefault("5m"),
    HELLOWAY_DNS_SERVERS: socketAddressList
      .transform((sockets, context) => sockets.map((socket) => toListener(socket, context)))
      .transform((servers) => servers.map(({ address, port }) => formatSocketAddress({ host: address, port })))
      .optional(),
    HELLOWAY_WORKERS: z
      .string()
      .refine((text) => text === "1", "more than one relay worker is not supported yet: set it to 1 or leave it unset")
      .optional(),
    HELLOWAY_GEO_DATABASE: notSupportedYet("a country database"),
    HELLOWAY_LOG_LEVEL: logLevel.prefault("info"),
    HELLOWAY_LOG_FORMAT: logFormat.optional(),
  })
  .superRefine((values, context) => {
    if (values.HELLOWAY_JOIN_TOKEN !== undefined && values.HELLOWAY_JOIN_TOKEN_FILE !== undefined) {
      const message = "HELLOWAY_JOIN_TOKEN and HELLOWAY_JOIN_TOKEN_FILE are both set: keep one of them";
      context.addIssue({ code: "custom", message });
    }
    if (values.HELLOWAY_EDGE_NAME === undefined && edgeNameOfHost(hostname()) === null) {
      const message = `HELLOWAY_EDGE_NAME is required: no edge name can be made of the host name ${JSON.stringify(hostname())}`;
      context.addIssue({ code: "custom", message });
    }
  });

/** The agent's configuration. Throws ConfigError with every problem at once. */
export function readConfig(env: NodeJS.ProcessEnv): AgentConfig {
  const values = readEnvironment(environment, env, { secrets: [] });
  const text = values.HELLOWAY_JOIN_TOKEN;
  const file = values.HELLOWAY_JOIN_TOKEN_FILE;
  return Object.freeze({
    dataDirectory: values.HELLOWAY_DATA_DIR,
    listen: values.HELLOWAY_EDGE_LISTEN ?? defaultListen(),
    addresses: values.HELLOWAY_EDGE_ADDRESSES ?? null,
    admin: values.HELLOWAY_EDGE_ADMIN,
    control: values.HELLOWAY_CONTROL_ADDRESS ?? null,
    joinToken: text !== undefined ? { text } : file !== undefined ? { file } : null,
    edgeName: values.HELLOWAY_EDGE_NAME ?? edgeNameOfHost(hostname()) ?? "",
    drainTimeoutMs: values.HELLOWAY_DRAIN_TIMEOUT,
    dnsServers: values.HELLOWAY_DNS_SERVERS ?? null,
    logLevel: values.HELLOWAY_LOG_LEVEL,
    logFormat: values.HELLOWAY_LOG_FORMAT,
  });
}

/** 0.0.0.0:443 and [::]:443; the second only where there is IPv6, which many containers have none of. */
function defaultListen(): ListenerAddress[] {
  const listeners = [{ address: "0.0.0.0", port: 443 }];
  if (hasIpv6()) listeners.push({ address: "::", port: 443 });
  return listeners;
}
