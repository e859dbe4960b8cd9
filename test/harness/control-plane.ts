// The gRPC side of a control plane on a database, in this process, with a fleet to act on.
import { afterAll } from "vitest";
import type { Database } from "@helloway/control/db/database";
import { type Authority, ensureAuthority } from "@helloway/control/fleet/authority";
import { createEdgeRequestFeed } from "@helloway/control/fleet/edge-request-feed";
import { createFeed } from "@helloway/control/fleet/feed";
import { type GrpcServerOptions, startGrpc } from "@helloway/control/grpc/server";
import { type Fleet, createFleet } from "./fleet.ts";

export interface ControlPlane {
  database: Database;
  fleet: Fleet;
  authority: Authority;
  /** "127.0.0.1:port" */
  address: string;
  port: number;
  stop(): Promise<void>;
}

export type ControlPlaneOptions = Partial<Pick<GrpcServerOptions, "now" | "certificateLifetimeMs" | "streamLimits">> & {
  /** A long one shows that notifications work, a short one that polling does. */
  pollMs?: number;
};

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Starts one; it stops after the tests around it, if not before. Several on one database are replicas. */
export async function startControlPlane(database: Database, options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const now = options.now ?? (() => new Date());
  const fleet = await createFleet(database);
  const authority = await ensureAuthority(database.db, { sealing: fleet.admin.sealing, now: now() });
  const pollMs = options.pollMs ?? 2_000;
  const feed = createFeed(database, { log: silent, pollMs });
  const requests = createEdgeRequestFeed(database, { log: silent, pollMs, now });
  const grpc = await startGrpc({
    certificateLifetimeMs: 8_760 * 3_600_000,
    reportIntervalMs: 10_000,
    ...options,
    now,
    database,
    feed,
    requests,
    authority,
    log: silent,
    host: "127.0.0.1",
    port: 0,
  });
  const controller = new AbortController();
  const running = Promise.all([
    grpc.run(controller.signal),
    feed.run(controller.signal),
    requests.run(controller.signal),
  ]);
  // A failure comes out where the control plane is stopped.
  running.catch(() => undefined);
  const stop = async (): Promise<void> => {
    controller.abort();
    await running;
  };
  afterAll(stop);
  return { database, fleet, authority, address: `127.0.0.1:${grpc.port}`, port: grpc.port, stop };
}
