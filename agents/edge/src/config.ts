import { availableParallelism, hostname } from "node:os";
import { formatCidr, parseAddress, parseCidr } from "@helloway/routing/address";
import { readEnvironment } from "@helloway/runtime/environment";
import {
  type SocketAddress,
  duration,
  integer,
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
import { type PassedDescriptors, parseListener, passedDescriptors } from "./listener-specs.ts";
import type { ListenerAddress, ListenerSpec } from "./relay/relay.ts";

export interface AgentConfig {
  /** As given; not made yet. */
  dataDirectory: string;
  listen: readonly ListenerSpec[];
  workers: number;
  /** CIDRs that may send PROXY headers. */
  proxyTrusted: readonly string[];
  /** Path of a country database; null: none. */
  geoDatabase: string | null;
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

const listen = (passed: PassedDescriptors) =>
  z.string().transform((text, context): ListenerSpec[] =>
    text.split(",").map((part) => {
      const spec = parseListener(part.trim(), passed);
      if (!("problems" in spec)) return spec;
      for (const message of spec.problems) context.addIssue({ code: "custom", message });
      return z.NEVER;
    }),
  );

/** More than any machine has cores; each has a table of its own. */
const WORKERS_MAX = 64;

const networks = z.string().transform((text, context): string[] =>
  text.split(",").map((part) => {
    const address = parseAddress(part.trim());
    const cidr = parseCidr(address === null ? part.trim() : `${address.text}/${address.bytes.length * 8}`);
    if (cidr !== null) return formatCidr(cidr);
    const message = `${JSON.stringify(part.trim())} must be a network or an address, for example 10.0.0.0/8 or 192.0.2.7`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  }),
);

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

const environment = (env: NodeJS.ProcessEnv) =>
  z
    .object({
      HELLOWAY_DATA_DIR: z.string().prefault(".helloway"),
      HELLOWAY_EDGE_LISTEN: listen(passedDescriptors(env, process.pid)).optional(),
      HELLOWAY_EDGE_ADDRESSES: addresses.optional(),
      HELLOWAY_EDGE_ADMIN: socketAddress.transform(toListener).prefault("127.0.0.1:9443"),
      HELLOWAY_EDGE_PROXY_TRUSTED: networks.optional(),
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
      HELLOWAY_WORKERS: integer({ min: 1, max: WORKERS_MAX }).optional(),
      HELLOWAY_GEO_DATABASE: z.string().min(1).optional(),
      HELLOWAY_LOG_LEVEL: logLevel.prefault("info"),
      HELLOWAY_LOG_FORMAT: logFormat.optional(),
    })
    .superRefine((values, context) => {
      const wantsHeaders = values.HELLOWAY_EDGE_LISTEN?.some((each) => each.proxy) ?? false;
      if (wantsHeaders && values.HELLOWAY_EDGE_PROXY_TRUSTED === undefined) {
        const message = "is required with a +proxy listener: the networks whose PROXY headers are believed";
        context.addIssue({ code: "custom", path: ["HELLOWAY_EDGE_PROXY_TRUSTED"], message });
      }
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
  const values = readEnvironment(environment(env), env, { secrets: [] });
  const text = values.HELLOWAY_JOIN_TOKEN;
  const file = values.HELLOWAY_JOIN_TOKEN_FILE;
  return Object.freeze({
    dataDirectory: values.HELLOWAY_DATA_DIR,
    listen: values.HELLOWAY_EDGE_LISTEN ?? defaultListen(),
    workers: values.HELLOWAY_WORKERS ?? Math.min(availableParallelism(), WORKERS_MAX),
    proxyTrusted: values.HELLOWAY_EDGE_PROXY_TRUSTED ?? [],
    geoDatabase: values.HELLOWAY_GEO_DATABASE ?? null,
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
