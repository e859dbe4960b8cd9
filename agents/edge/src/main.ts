// The agent's life: take what is on disk and serve it, and only then see to the control plane. What main cannot do without is
// loaded first; the rest (gRPC, certificates) once the listeners accept.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { prepareDataDirectory } from "@helloway/runtime/data-directory";
import { ConfigError } from "@helloway/runtime/environment";
import { lockDirectory } from "@helloway/runtime/directory-lock";
import { type Logger, createLogger, createLogStream } from "@helloway/runtime/logger";
import { describeListenError } from "@helloway/runtime/port-in-use";
import { announceReady } from "@helloway/runtime/ready";
import { type AdminServer, startAdmin } from "./admin.ts";
import { type AgentConfig, readConfig } from "./config.ts";
import { accessLog } from "./control/access-log.ts";
import type { ControlSide } from "./control/control-side.ts";
import { controlFeatures } from "./control/features.ts";
import { formatSocketAddress } from "./control/format-socket-address.ts";
import { loadIdentity } from "./control/identity.ts";
import { readJoining } from "./control/joining.ts";
import { ownAddresses } from "./control/own-addresses.ts";
import type { HeldTable } from "./control/held-table.ts";
import { ServedTable } from "./control/served-table.ts";
import type { AgentDescription } from "./control/session.ts";
import { type DiskState, TableStore } from "./control/table-store.ts";
import { toTableView } from "./control/table-view.ts";
import { createRelay } from "./relay/create-relay.ts";
import { relayFeatures } from "./relay/features.ts";
import { notListening } from "./listening-descriptors.ts";
import type { ListenerAddress, ListenerSpec, Relay } from "./relay/relay.ts";

/** How long the end of an agent waits for its last report to be delivered; what is not is delivered by the next start. */
const lastReportTimeoutMs = 5_000;

/**
 * Runs an agent until the signal aborts and its connections have ended. Throws ConfigError, DirectoryInUseError, ToldError for what
 * its user has to see to.
 */
export async function runAgent(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const config = readConfig(env);
  checkPassed(config.listen);
  const dataDirectory = await prepareDataDirectory(config.dataDirectory);
  await using _lock = await lockDirectory(dataDirectory, "edge");
  const logStream = createLogStream({ format: config.logFormat });
  const log = createLogger({ level: config.logLevel, format: "json", name: "agent", destination: logStream });
  const identity = await loadIdentity(dataDirectory);
  const standing = identity === null ? { ...(await readJoining(config)), name: config.edgeName } : { identity };
  const agent: Agent = {
    config,
    log,
    bootId: randomUUID(),
    edgeName: identity?.name ?? config.edgeName,
    table: null,
    control: null,
    draining: false,
  };
  await using admin = await openAdmin(agent);
  const { store, table: saved } = await TableStore.open(join(dataDirectory, "edge", "table"), log);
  const relay = await createRelay({
    listen: config.listen,
    workers: config.workers,
    proxyTrusted: config.proxyTrusted,
    geoDatabase: config.geoDatabase,
    ownSockets: [admin.address],
    edgeName: agent.edgeName,
    bootId: agent.bootId,
    dnsServers: config.dnsServers,
    log,
    // Nobody pays for lines that nobody gets.
    ...(log.isLevelEnabled("info") ? { onClosed: accessLog(logStream) } : {}),
  });
  await using _relay = { [Symbol.asyncDispose]: () => relay.close() };
  const table = new ServedTable(relay, store, log);
  agent.table = table;
  if (saved !== null) await restore(table, saved, log);
  await listen(relay, config);
  log.info({ boot: agent.bootId, listeners: relay.listeners, admin: admin.address }, "listening");
  announceReady({ listeners: relay.listeners, admin: toText(admin.address) });

  const { ControlSide } = await import("./control/control-side.ts");
  const control = new ControlSide({
    dataDirectory,
    standing,
    address: config.control === null ? null : formatSocketAddress(config.control),
    agent: describeAgent(agent, relay, admin),
    table,
    relay,
    onIdentity: async ({ name }) => {
      agent.edgeName = name;
      await relay.setEdgeName(name);
    },
    log,
  });
  agent.control = control;
  const background = new AbortController();
  const tasks = [store.run(background.signal), control.run(background.signal)];
  const failures: Error[] = [];
  try {
    await Promise.race([untilAborted(signal, tasks), relay.failed.catch((error: Error) => void failures.push(error))]);
    agent.draining = true;
    log.info({ timeoutMs: config.drainTimeoutMs }, "draining");
    await relay.drain({ timeoutMs: config.drainTimeoutMs });
    await relay.close();
    await control.finish(lastReportTimeoutMs);
  } finally {
    background.abort();
    await Promise.allSettled(tasks);
  }
  for (const failure of failures) throw failure;
  log.info("stopped");
}

/** What the parts of main share. */
interface Agent {
  config: AgentConfig;
  log: Logger;
  bootId: string;
  /** As asked for until the control plane has given one. */
  edgeName: string;
  /** null while starting. */
  table: ServedTable | null;
  control: ControlSide | null;
  draining: boolean;
}

async function openAdmin(agent: Agent): Promise<AdminServer> {
  const { admin } = agent.config;
  const notReady = (): string[] => {
    const reasons: string[] = [];
    if (!agent.table?.held) reasons.push("there is no table to serve yet");
    if (agent.draining) reasons.push("draining");
    return reasons;
  };
  const table = (): unknown => ({
    edge: agent.edgeName,
    boot: agent.bootId,
    draining: agent.draining,
    control: agent.control?.status ?? null,
    disk:
      agent.table === null
        ? null
        : { ...toDiskView(agent.table.disk()), reportsError: agent.control?.reportsError ?? "" },
    table: agent.table?.held ? toTableView(agent.table.held) : null,
  });
  try {
    return await startAdmin(admin, { notReady, table });
  } catch (error) {
    throw describeListenError(error, "HELLOWAY_EDGE_ADMIN", toText(admin));
  }
}

/** A saved table that the engine cannot take is no reason not to start: the control plane's will follow. */
async function restore(table: ServedTable, saved: HeldTable, log: Logger): Promise<void> {
  const revision = String(saved.version.revision);
  try {
    await table.restore(saved);
    log.info({ revision, objects: saved.objects.size, refused: saved.refused.length }, "serving the saved table");
  } catch (error) {
    log.error({ err: error, revision }, "the saved table cannot be served");
  }
}

/** Throws ConfigError. */
function checkPassed(specs: readonly ListenerSpec[]): void {
  const problems = specs.flatMap((spec) => {
    if (!("descriptors" in spec)) return [];
    return notListening(spec.descriptors).map(
      (each) => `HELLOWAY_EDGE_LISTEN: fd:${spec.name}: descriptor ${each} is no TCP socket that listens`,
    );
  });
  if (problems.length > 0) throw new ConfigError(problems);
}

async function listen(relay: Relay, config: AgentConfig): Promise<void> {
  try {
    await relay.listen();
  } catch (error) {
    throw describeListenError(
      error,
      "HELLOWAY_EDGE_LISTEN",
      listenerOf(error) ?? config.listen.map(specText).join(","),
    );
  }
}

/** Which listener a system error of listening is about. */
function listenerOf(error: unknown): string | null {
  if (!(error instanceof Error) || !("address" in error) || !("port" in error)) return null;
  if (typeof error.address !== "string" || typeof error.port !== "number") return null;
  return formatSocketAddress({ host: error.address, port: error.port });
}

function describeAgent(agent: Agent, relay: Relay, admin: AdminServer): AgentDescription {
  const { config } = agent;
  return {
    bootId: agent.bootId,
    agentVersion: packageVersion(),
    features: [...relayFeatures, ...controlFeatures, ...(config.geoDatabase === null ? [] : ["geo"])],
    listeners: relay.listeners,
    admin: admin.address,
    addresses: agent.config.addresses ?? ownAddresses(relay.listeners),
  };
}

/** Resolves when the signal aborts; rejects when one of the tasks ends before, which none has a reason to. */
async function untilAborted(signal: AbortSignal, tasks: readonly Promise<void>[]): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  const ended = tasks.map(async (task) => {
    await task;
    if (!signal.aborted) throw new Error("a part of the agent ended by itself");
    await aborted;
  });
  await Promise.race([aborted, ...ended]);
}

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}

function toDiskView(disk: DiskState): { savedRevision: number; error: string } {
  return { savedRevision: Number(disk.savedRevision), error: disk.error };
}

function specText(spec: ListenerSpec): string {
  return "name" in spec ? `fd:${spec.name}` : toText(spec);
}

function toText({ address, port }: ListenerAddress): string {
  return formatSocketAddress({ host: address, port });
}
