import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { prepareDataDirectory } from "@helloway/runtime/data-directory";
import { readEnvironment } from "@helloway/runtime/environment";
import { createLogger } from "@helloway/runtime/logger";
import { describeListenError } from "@helloway/runtime/port-in-use";
import { announceReady } from "@helloway/runtime/ready";
import { keepCertificate } from "./certificate-files.ts";
import { demoEnvironment } from "./demo-environment.ts";
import { type RunningBackend, startDemoBackend } from "./demo-backend.ts";
import { type DemoBackend, defaultBackends, parseBackends } from "./parse-backend.ts";
import { readPorts, writePorts } from "./remembered-ports.ts";

/** Serves the backends until the signal aborts. Announces `{ backends: { name: "host:port" } }` when all listen. */
export async function runDemoBackends(
  env: NodeJS.ProcessEnv,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const config = readEnvironment(demoEnvironment, env, { secrets: [] });
  const backends = parseBackends(texts.length > 0 ? texts : defaultBackends);
  const dataDirectory = await prepareDataDirectory(config.HELLOWAY_DATA_DIR);
  await mkdir(join(dataDirectory, "demo"), { recursive: true, mode: 0o700 });
  const log = createLogger({
    level: config.HELLOWAY_LOG_LEVEL,
    format: config.HELLOWAY_LOG_FORMAT,
    name: "demo-backends",
  });
  const ports = await readPorts(dataDirectory);

  const running: RunningBackend[] = [];
  try {
    for (const backend of backends) {
      const started = await startOne(dataDirectory, backend, ports[backend.name]);
      running.push(started);
      ports[backend.name] = started.port;
    }
    await writePorts(dataDirectory, ports);
    const addresses = Object.fromEntries(backends.map(({ name, host }) => [name, toText(host, ports[name] ?? 0)]));
    log.info({ backends: addresses }, "demo backends are listening");
    announceReady({ backends: addresses });
    if (!signal.aborted) await once(signal, "abort");
  } finally {
    for (const { server } of running) {
      server.close();
      server.closeAllConnections();
    }
  }
}

async function startOne(
  dataDirectory: string,
  backend: DemoBackend,
  remembered: number | undefined,
): Promise<RunningBackend> {
  const certificate = await keepCertificate(dataDirectory, backend.name);
  try {
    return await startDemoBackend(backend, remembered, certificate);
  } catch (error) {
    throw describeListenError(error, backend.name, toText(backend.host, backend.port));
  }
}

function toText(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
