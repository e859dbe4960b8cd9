import { isIPv4 } from "node:net";
import { readControlConfig } from "@helloway/control/config";
import { readConfig as readAgentConfig } from "@helloway/edge/config";
import { ConfigError, readEnvironment } from "@helloway/runtime/environment";
import type { z } from "zod";
import { devEnvironment } from "./dev-environment.ts";

export type DevConfig = z.infer<typeof devEnvironment>;

/** The launcher's configuration. Throws ConfigError with every problem that it or any of the processes would have with theirs. */
export function readDevConfig(env: NodeJS.ProcessEnv): DevConfig {
  const problems = new Set<string>();
  const collect = <T>(read: () => T): T | null => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const problem of error.problems) problems.add(problem);
      return null;
    }
  };
  const config = collect(() => readEnvironment(devEnvironment, env, { secrets: [] }));
  collect(() => readControlConfig(env));
  collect(() => readAgentConfig(env));
  const host = config?.HELLOWAY_HTTP_ADDRESS.host ?? "127.0.0.1";
  if (host !== "::1" && !(isIPv4(host) && host.startsWith("127."))) {
    problems.add(
      "HELLOWAY_HTTP_ADDRESS: dev serves this machine only: use a loopback address, or run `helloway control`",
    );
  }
  if (env["HELLOWAY_HTTP_TLS_CERT"]) {
    problems.add("HELLOWAY_HTTP_TLS_CERT: dev serves plain HTTP on loopback: unset it, or run `helloway control`");
  }
  if (config === null || problems.size > 0) throw new ConfigError([...problems]);
  return config;
}
