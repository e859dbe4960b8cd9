// The gRPC port: edges enrol, connect and report here. It holds no state that another replica would need.
import { randomUUID } from "node:crypto";
import * as grpc from "@grpc/grpc-js";
import { EdgeService } from "@helloway/proto/edge";
import { type ServiceHandlers, toImplementation, toServiceDefinition } from "@helloway/proto/grpc";
import type { Database } from "../db/database.ts";
import { recordAcknowledgements } from "../fleet/acknowledgements.ts";
import { authoriseEdge } from "../fleet/authorise-edge.ts";
import type { Authority } from "../fleet/authority.ts";
import { issueServerCertificate } from "../fleet/certificates.ts";
import type { EdgeRequestFeed } from "../fleet/edge-request-feed.ts";
import { type EdgeRequestResult, recordRequestResult } from "../fleet/edge-requests.ts";
import { enrolEdge } from "../fleet/enrol.ts";
import type { Feed } from "../fleet/feed.ts";
import { applyReport } from "../fleet/reports.ts";
import { closeSession, openSession, reviewSessions } from "../fleet/session.ts";
import { readDelta, readSnapshot } from "../fleet/table-reads.ts";
import { createAckWriter } from "./ack-writer.ts";
import { type StreamLimits, createEdgeGuard } from "./edge-guard.ts";
import { serveEdgeStream } from "./edge-stream.ts";
import { createEncodedUpdates } from "./encoded-updates.ts";
import type { GrpcLog } from "./grpc-log.ts";
import { readReport } from "./read-report.ts";
import { type Listener, listenFor } from "./listener.ts";
import { createServerIdentityProvider } from "./server-identity.ts";
import { toStatus } from "./to-status.ts";

export interface GrpcServerOptions {
  database: Pick<Database, "db">;
  feed: Pick<Feed, "subscribe">;
  requests: Pick<EdgeRequestFeed, "subscribe">;
  authority: Authority;
  certificateLifetimeMs: number;
  /** How often edges are told to report. */
  reportIntervalMs: number;
  now(): Date;
  log: GrpcLog;
  /** An IP address. */
  host: string;
  /** 0: any. */
  port: number;
  streamLimits?: StreamLimits;
}

export interface GrpcServer {
  /** The port that is bound. */
  port: number;
  /** Everything that goes on in the background, until the signal; then streams have ended and what edges said is written. */
  run(signal: AbortSignal): Promise<void>;
  /** Ends streams and calls and closes the port. Idempotent. */
  stop(): Promise<void>;
}

/** A peer that vanished without a FIN is noticed within 15 s. */
const serverOptions: grpc.ServerOptions = {
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 1,
  // Reports and acknowledgements of the largest tables; each is bounded by count as well.
  "grpc.max_receive_message_length": 16 * 1024 * 1024,
  "grpc.max_send_message_length": 16 * 1024 * 1024,
};

/** How long streams have to end by themselves. */
const stopTimeoutMs = 1_000;

/** Binds the port; rejects with the system's error when that fails. Nothing is served well before run(). */
export async function startGrpc(options: GrpcServerOptions): Promise<GrpcServer> {
  const { database, authority, log, now } = options;
  const { db } = database;
  const guard = createEdgeGuard({
    authorise: (serial) => authoriseEdge(db, { serial, now: now() }),
    review: (sessions) => reviewSessions(db, { sessions, now: now() }),
    log,
    limits: options.streamLimits,
  });
  const acks = createAckWriter((batch) => recordAcknowledgements(db, { acks: batch, now: now() }), log);
  const streams = new Set<Promise<void>>();
  const streamDependencies = {
    openSession: (
      edge: Parameters<typeof openSession>[1]["edge"],
      description: Parameters<typeof openSession>[1]["description"],
    ) => openSession(db, { edge, description, now: now() }),
    closeSession: (edgeId: string, number: number) => closeSession(db, { edgeId, number, now: now() }),
    subscribe: options.feed.subscribe,
    requests: options.requests,
    recordRequestResult: (answer: { id: string; edgeId: string; session: number; result: EdgeRequestResult }) =>
      recordRequestResult(db, { ...answer, now: now() }),
    updates: createEncodedUpdates({
      readSnapshot: (poolId) => readSnapshot(db, poolId),
      readDelta: (poolId, from, to) => readDelta(db, poolId, from, to),
    }),
    acks,
    reportIntervalMs: options.reportIntervalMs,
    now,
    log,
  };

  const handlers: ServiceHandlers<typeof EdgeService> = {
    enroll: async ({ joinToken, certificateRequest, name }, call) => {
      const context = {
        db,
        authority,
        certificateLifetimeMs: options.certificateLifetimeMs,
        requestId: randomUUID(),
        now,
      };
      const enrolled = await enrolEdge(context, { joinToken, certificateRequest, name });
      log.info({ edge: enrolled.name, pool: enrolled.pool, peer: call.getPeer() }, "an edge has enrolled");
      return enrolled;
    },
    connect: (stream) => {
      const serving = serveEdgeStream(stream, guard.guarded(stream), streamDependencies);
      streams.add(serving);
      void serving.finally(() => streams.delete(serving));
    },
    report: async (request, call) => {
      const { edge } = guard.guarded(call);
      const report = readReport(request);
      const { appliedSequence, unknownUids, gap } = await applyReport(db, { edge, report, now: now() });
      if (gap !== null) {
        log.warn(
          { edge: edge.name, boot: report.bootId, lostFrom: gap.from, lostTo: gap.to },
          "an edge has lost reports; what they counted is in no sum",
        );
      }
      if (unknownUids.length > 0) {
        log.warn(
          { edge: edge.name, uids: unknownUids.slice(0, 10), count: unknownUids.length },
          "a report names routes that its pool never had",
        );
      }
      return { appliedSequence: BigInt(appliedSequence), serverTimeMs: BigInt(now().getTime()) };
    },
  };
  const toLoggedStatus = (error: unknown) => {
    const { code, details, unknown } = toStatus(error);
    if (unknown) log.error({ err: error }, "a call of an edge failed");
    return { code, details };
  };

  const identity = await createServerIdentityProvider({
    issue: () => issueServerCertificate(authority, now()),
    authorities: authority.certificate.toString("pem"),
    now,
    log,
  });
  const server = new grpc.Server({ ...serverOptions, interceptors: [guard.interceptor] });
  server.addService(toServiceDefinition(EdgeService), toImplementation(EdgeService, handlers, toLoggedStatus));
  const { provider } = identity;
  const credentials = grpc.experimental.createCertificateProviderServerCredentials(provider, provider, false);
  const listener = await listenFor(server, credentials, options);

  let stopped: Promise<void> | undefined;
  const stop = () => {
    guard.endStreams("stopping: the control plane is stopping");
    return (stopped ??= shutdown(server, listener));
  };

  return {
    port: listener.port,
    stop,
    async run(signal) {
      const failed = new AbortController();
      const ended = AbortSignal.any([signal, failed.signal]);
      // Acknowledgements outlive the streams that bring them.
      const flushed = new AbortController();
      const background = [identity.run(ended), guard.run(ended)];
      const writing = acks.run(flushed.signal);
      try {
        await Promise.race([...background, writing, aborted(ended)]);
      } finally {
        failed.abort();
        await stop();
        await Promise.allSettled(streams);
        flushed.abort();
      }
      await Promise.all([...background, writing]);
    },
  };
}

function shutdown(server: grpc.Server, listener: Listener): Promise<void> {
  listener.close();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      listener.destroyConnections();
    }, stopTimeoutMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      // Those that never became a session are no reason to wait.
      listener.destroyConnections();
      resolve();
    });
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
