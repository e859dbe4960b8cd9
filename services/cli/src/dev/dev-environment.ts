import { logFormat, logLevel, socketAddress, socketAddressList } from "@helloway/runtime/environment-fields";
import { z } from "zod";

/** What the launcher itself needs to know; everything else goes on to the processes that read it. */
export const devEnvironment = z.object({
  HELLOWAY_DATA_DIR: z.string().prefault(".helloway"),
  HELLOWAY_HTTP_ADDRESS: socketAddress.prefault("127.0.0.1:8080"),
  HELLOWAY_GRPC_ADDRESS: socketAddress.prefault("127.0.0.1:8081"),
  HELLOWAY_EDGE_LISTEN: socketAddressList,
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
