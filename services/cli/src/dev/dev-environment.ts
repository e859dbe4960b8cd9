import {
  logFormat,
  logLevel,
  type SocketAddress,
  socketAddress,
  socketAddressList,
} from "@helloway/runtime/environment-fields";
import { z } from "zod";

/** A listener of the edge; `proxy`: its clients come through a proxy that says who they are. */
export interface EdgeListener {
  readonly address: SocketAddress;
  readonly proxy: boolean;
}

const proxySuffix = /\+proxy$/;

const edgeListeners = z.string().transform((text, context): EdgeListener[] => {
  const parts = text.split(",").map((part) => part.trim());
  const addresses = socketAddressList.safeParse(parts.map((part) => part.replace(proxySuffix, "")).join());
  for (const { message } of addresses.error?.issues ?? []) context.addIssue({ code: "custom", message });
  if (!addresses.success) return z.NEVER;
  const listeners = addresses.data.map((address, i) => ({ address, proxy: proxySuffix.test(parts[i] ?? "") }));
  if (listeners.every(({ proxy }) => proxy))
    context.addIssue({ code: "custom", message: "dev needs a listener without +proxy, for those who try its routes" });
  return listeners;
});

/** What the launcher itself needs to know; everything else goes on to the processes that read it. */
export const devEnvironment = z.object({
  HELLOWAY_DATA_DIR: z.string().prefault(".helloway"),
  HELLOWAY_HTTP_ADDRESS: socketAddress.prefault("127.0.0.1:8080"),
  HELLOWAY_GRPC_ADDRESS: socketAddress.prefault("127.0.0.1:8081"),
  HELLOWAY_EDGE_LISTEN: edgeListeners,
  HELLOWAY_EDGE_ADMIN: socketAddress.prefault("127.0.0.1:9443"),
  HELLOWAY_LOG_LEVEL: logLevel,
  HELLOWAY_LOG_FORMAT: logFormat,
});

/** What the processes get when nobody says otherwise: on a desk nobody waits for a drain or for the next minute's report. */
const devDefaults = {
  HELLOWAY_EDGE_LISTEN: "127.0.0.1:8443",
  HELLOWAY_DRAIN_TIMEOUT: "0s",
  HELLOWAY_REPORT_INTERVAL: "1s",
  HELLOWAY_LOG_LEVEL: "warn",
  HELLOWAY_LOG_FORMAT: "pretty",
};

/** The environment of the processes: the launcher's own, with the defaults of dev where a variable is unset or empty. */
export function withDevDefaults(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const given = Object.entries(env).filter(([, value]) => value !== undefined && value !== "");
  return { ...devDefaults, ...Object.fromEntries(given) };
}
