// Everything that stands on an open database: the two servers and the feed, built by hand in the order in which they need each other;
// one signal ends all of it, in the opposite order.
import type { Logger } from "@helloway/runtime/logger";
import { describeListenError } from "@helloway/runtime/port-in-use";
import { announceReady } from "@helloway/runtime/ready";
import { ensureAdminToken } from "./admin-token-file.ts";
import { type ControlConfig, textOf } from "./config.ts";
import { databaseSockets } from "./database-sockets.ts";
import type { Database } from "./db/database.ts";
import { migrate } from "./db/migrate.ts";
import { waitForDatabase } from "./db/wait.ts";
import { readDocsScript } from "./docs-script.ts";
import { ensureAuthority } from "./fleet/authority.ts";
import { type ControlSocket, registerControlSockets } from "./fleet/control-sockets.ts";
import { createEdgeRequestFeed } from "./fleet/edge-request-feed.ts";
import { createFeed } from "./fleet/feed.ts";
import { ensureInstallation } from "./fleet/installation.ts";
import type { Sealing } from "./fleet/sealing.ts";
import { type GrpcServer, startGrpc } from "./grpc/server.ts";
import { type HttpServer, serveHttp } from "./http-server.ts";
import { createApp } from "./http/app.ts";
import { runTogether } from "./run-together.ts";

/** A database that starts together with us takes some seconds; an operator who mistyped its address waits no longer than this. */
const databaseTimeoutMs = 30_000;
/** A change is at the edges within this even when no notification arrives. */
const pollMs = 2_000;

const now = (): Date => new Date();

export interface ServeControlOptions {
  config: ControlConfig;
  /** As prepared. */
  dataDirectory: string;
  /** Stays open; the caller closes it. */
  database: Database;
  sealing: Sealing;
  log: Logger;
}

/** Serves until the signal aborts; announces `{ http, grpc }`, each "address:port" as bound. */
export async function serveControl(options: ServeControlOptions, signal: AbortSignal): Promise<void> {
  const { config, dataDirectory, database, sealing, log } = options;
  await using stack = new AsyncDisposableStack();
  await waitForDatabase(database, { log, timeoutMs: databaseTimeoutMs, signal });
  await migrate(database);
  const { db } = database;
  const { id } = await ensureInstallation(db, { sealing, now: now() });
  const authority = await ensureAuthority(db, { sealing, now: now() });
  await ensureAdminToken(db, { dataDirectory, now, log });

  const feed = createFeed(database, { log, pollMs });
  const requests = createEdgeRequestFeed(database, { log, pollMs, now });
  const grpc = stack.adopt(await listenGrpc(), (server) => server.stop());
  const grpcAddress = textOf({ host: config.grpc.host, port: grpc.port });
  const http = stack.adopt(await listenHttp(), (server) => server.stop());
  await registerControlSockets(db, { sockets: await ownSockets(config, grpcAddress, http.address), now: now() });

  log.info(
    { installation: id, http: http.address, grpc: grpcAddress, database: database.kind },
    "the control plane is ready",
  );
  announceReady({ http: http.address, grpc: grpcAddress });
  await runTogether(
    [
      { name: "the gRPC server", run: (ending) => grpc.run(ending) },
      { name: "the HTTP server", run: (ending) => until(ending).then(() => http.stop()) },
      { name: "the feed of revisions", run: (ending) => feed.run(ending) },
      { name: "the feed of requests to edges", run: (ending) => requests.run(ending) },
      { name: "the database", run: (ending) => Promise.race([database.failed, until(ending)]) },
    ],
    signal,
  );
  log.info({}, "the control plane has stopped");

  async function listenGrpc(): Promise<GrpcServer> {
    try {
      return await startGrpc({
        database,
        feed,
        requests,
        authority,
        certificateLifetimeMs: config.edgeCertificateLifetimeMs,
        reportIntervalMs: config.reportIntervalMs,
        now,
        log,
        host: config.grpc.host,
        port: config.grpc.port,
      });
    } catch (error) {
      throw describeListenError(error, "HELLOWAY_GRPC_ADDRESS", textOf(config.grpc));
    }
  }

  async function listenHttp(): Promise<HttpServer> {
    const { host, port, tls, loopback, publicUrl } = config.http;
    const app = createApp({
      database,
      sealing,
      now,
      log,
      publicUrl,
      loopback,
      grpcPublicAddress: config.grpc.publicAddress ?? grpcAddress,
      docsScript: readDocsScript,
    });
    try {
      return await serveHttp(app, { host, port, signal, ...(tls === null ? {} : { tls }) });
    } catch (error) {
      throw describeListenError(error, "HELLOWAY_HTTP_ADDRESS", textOf(config.http));
    }
  }
}

/** What no backend may be. */
async function ownSockets(config: ControlConfig, grpc: string, http: string): Promise<ControlSocket[]> {
  const database = config.databaseUrl === null ? [] : await databaseSockets(config.databaseUrl);
  return [
    { ...addressOf(grpc), purpose: "grpc" },
    { ...addressOf(http), purpose: "http" },
    ...database.map((socket) => ({ ...socket, purpose: "database" as const })),
  ];
}

/** Of "127.0.0.1:8080" or "[::1]:8080". */
function addressOf(text: string): { address: string; port: number } {
  const colon = text.lastIndexOf(":");
  return { address: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}

function until(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
