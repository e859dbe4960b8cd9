import { once } from "node:events";
import { prepareDataDirectory } from "@helloway/runtime/data-directory";
import { lockDirectory } from "@helloway/runtime/directory-lock";
import { announceReady } from "@helloway/runtime/ready";
import { type Child, startChild } from "./child-process.ts";
import { describeRunning } from "./describe-running.ts";
import { withDevDefaults } from "./dev-environment.ts";
import { readDevConfig } from "./read-dev-config.ts";
import { requireFreePorts } from "./require-free-ports.ts";
import { startParts } from "./start-parts.ts";

/**
 * The launcher: control plane, one edge and the demo backends as processes of their own on one data directory, until the signal
 * aborts. The end of any of them ends all, with the reason. Announces `{ origin, grpc, admin, edge, backends, dataDirectory }`.
 */
export async function runDev(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  const devEnv = withDevDefaults(env);
  const config = readDevConfig(devEnv);
  const dataDirectory = await prepareDataDirectory(config.HELLOWAY_DATA_DIR);
  await using _lock = await lockDirectory(dataDirectory, "dev");
  await requireFreePorts([
    { variable: "HELLOWAY_HTTP_ADDRESS", address: config.HELLOWAY_HTTP_ADDRESS },
    { variable: "HELLOWAY_GRPC_ADDRESS", address: config.HELLOWAY_GRPC_ADDRESS },
    ...config.HELLOWAY_EDGE_LISTEN.map(({ address }) => ({ variable: "HELLOWAY_EDGE_LISTEN", address })),
    { variable: "HELLOWAY_EDGE_ADMIN", address: config.HELLOWAY_EDGE_ADMIN },
  ]);

  const children: Child[] = [];
  const lost = new AbortController();
  const ending = AbortSignal.any([signal, lost.signal]);
  const start = (title: string, command: string, more: Readonly<Record<string, string>> = {}): Child => {
    const prefix = config.HELLOWAY_LOG_FORMAT === "json" ? "" : `${command} | `;
    const child = startChild({
      title,
      command,
      env: { ...devEnv, HELLOWAY_DATA_DIR: dataDirectory, ...more },
      onLine: (line) => process.stderr.write(`${prefix}${line}\n`),
      onLost: (error) => lost.abort(error),
    });
    children.push(child);
    return child;
  };
  const progress = (line: string): boolean => process.stderr.write(`helloway dev: ${line}\n`);
  // After a second Ctrl-C the launcher is gone at once and nobody waits for them.
  const killAll = (): void => {
    for (const child of children) child.kill();
  };
  process.once("exit", killAll);

  try {
    const running = await startParts({
      dataDirectory,
      directListener: config.HELLOWAY_EDGE_LISTEN.findIndex(({ proxy }) => !proxy),
      start,
      progress,
      signal: ending,
    });
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    process.stdout.write(describeRunning({ ...running, dataDirectory, seconds }));
    announceReady({ ...running, dataDirectory });
    if (!ending.aborted) await once(ending, "abort");
  } catch (error) {
    if (!ending.aborted) throw error;
  } finally {
    if (signal.aborted) progress("stopping");
    // The edge first: its last report still finds the control plane.
    for (const child of children.toReversed()) await child.stop();
    process.off("exit", killAll);
  }
  if (lost.signal.aborted) throw lost.signal.reason;
}
