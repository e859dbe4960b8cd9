// The one interceptor: whatever an edge calls but Enroll is authorised here, by the serial of its certificate, its validity and what
// the database says of it. Unary calls when they begin; streams when they begin and every few seconds for as long as they last.
//
// Fail closed: when no review has succeeded for 10 s the streams end (UNAVAILABLE), for nobody would hear of a revocation.
import { setInterval as ticks } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import { EdgeService } from "@helloway/proto/edge";
import { methodPath } from "@helloway/proto/grpc";
import { HellowayError } from "../errors.ts";
import { failureFields } from "../failure-fields.ts";
import type { AuthorisedEdge, EdgeAuthorisation } from "../fleet/authorise-edge.ts";
import type { OpenSession, SessionVerdict } from "../fleet/session.ts";
import type { GrpcLog } from "./grpc-log.ts";
import { toStatus } from "./to-status.ts";

const needNoCertificate: ReadonlySet<string> = new Set([methodPath(EdgeService.method.enroll)]);

export interface StreamLimits {
  /** How often streams are reviewed: a revocation is to reach them within 5 s, the query included. */
  reviewIntervalMs: number;
  /** How long streams go on without a review that succeeded. */
  unreviewedMaxMs: number;
}

const defaultLimits: StreamLimits = { reviewIntervalMs: 4_000, unreviewedMaxMs: 10_000 };
/** How exactly both are kept. */
const tickMs = 500;

/** A call that was let in. */
export interface GuardedCall {
  edge: AuthorisedEdge;
  /** Aborts when the call has ended, or was ended here: nothing more may be sent. */
  signal: AbortSignal;
  /** The stream is this session of the edge from now on. Older streams of the edge end. */
  began(session: number): void;
}

export interface EdgeGuardDependencies {
  authorise(serial: string): Promise<EdgeAuthorisation>;
  review(sessions: readonly OpenSession[]): Promise<SessionVerdict[]>;
  log: GrpcLog;
  limits?: StreamLimits | undefined;
}

export interface EdgeGuard {
  interceptor: grpc.ServerInterceptor;
  /** How the call was let in. Throws for a call that did not come through the interceptor. */
  guarded(call: { metadata: grpc.Metadata }): GuardedCall;
  /** Ends every stream. */
  endStreams(why: string): void;
  /** Reviews the streams until the signal. */
  run(signal: AbortSignal): Promise<void>;
}

interface Stream {
  serial: string;
  edge: AuthorisedEdge;
  session: number | null;
  end(code: grpc.status, details: string): void;
}

const refusals: Record<Extract<SessionVerdict, { goesOn: false }>["code"], string> = {
  unknown_certificate: "the certificate is not one of this installation's edges; its edge may have been deleted",
  certificate_expired: "the certificate is not valid now",
  certificate_revoked: "the certificate was revoked",
  edge_revoked: "the edge was revoked",
  superseded: "the edge has opened a newer session",
  unknown_session: "the database does not know this session: it was probably restored from a backup",
};

export function createEdgeGuard(dependencies: EdgeGuardDependencies): EdgeGuard {
  const { authorise, review, log, limits = defaultLimits } = dependencies;
  const streams = new Set<Stream>();
  // By the metadata object that the handler gets: nothing in it that a client sends can be mistaken for this.
  const letIn = new WeakMap<grpc.Metadata, GuardedCall>();

  const interceptor: grpc.ServerInterceptor = (method, call) => {
    if (needNoCertificate.has(method.path)) return new grpc.ServerInterceptingCall(call);
    const ended = new AbortController();
    const isStream = method.requestStream || method.responseStream;
    const onMetadata = async (metadata: grpc.Metadata): Promise<void> => {
      const serial = call.getAuthContext().sslPeerCertificate?.serialNumber.toLowerCase();
      if (serial === undefined) {
        throw new HellowayError("unauthenticated", "no_certificate", "A valid certificate of an edge is needed.");
      }
      const answer = await authorise(serial);
      if (!answer.authorised) throw new HellowayError("unauthenticated", answer.code, refusals[answer.code]);
      const stream: Stream = {
        serial,
        edge: answer.edge,
        session: null,
        end(code, details) {
          streams.delete(stream);
          call.sendStatus({ code, details });
          ended.abort();
        },
      };
      if (isStream && !ended.signal.aborted) {
        streams.add(stream);
        ended.signal.addEventListener("abort", () => streams.delete(stream));
      }
      letIn.set(metadata, { edge: answer.edge, signal: ended.signal, began: (session) => began(stream, session) });
    };
    return new grpc.ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, go) {
            onMetadata(metadata).then(
              () => go(metadata),
              (error: unknown) => {
                const status = toStatus(error);
                if (status.unknown) log.error({ err: error, method: method.path }, "authorising a call failed");
                call.sendStatus({ code: status.code, details: status.details });
              },
            );
          },
          onCancel: () => ended.abort(),
        });
      },
    });
  };

  const began = (stream: Stream, session: number): void => {
    stream.session = session;
    for (const other of streams) {
      const older = other.session !== null && other.session < session;
      if (other.edge.edgeId === stream.edge.edgeId && older) refuse(other, "superseded");
    }
  };

  const refuse = (stream: Stream, code: keyof typeof refusals): void => {
    log.info({ edge: stream.edge.name, code }, "ending the stream of an edge");
    const status =
      code === "superseded" || code === "unknown_session" ? grpc.status.ABORTED : grpc.status.UNAUTHENTICATED;
    stream.end(status, `${code}: ${refusals[code]}`);
  };

  /** How many were reviewed. */
  const reviewStreams = async (): Promise<number> => {
    const open = [...streams];
    const verdicts = await review(
      open.map(({ serial, edge, session }) => ({
        serial,
        session: session === null ? null : { edgeId: edge.edgeId, number: session },
      })),
    );
    open.forEach((stream, index) => {
      const verdict = verdicts[index];
      if (verdict !== undefined && !verdict.goesOn && streams.has(stream)) refuse(stream, verdict.code);
    });
    return open.length;
  };

  const endStreams = (why: string): void => {
    for (const stream of streams) stream.end(grpc.status.UNAVAILABLE, why);
  };

  return {
    interceptor,
    guarded(call) {
      const guarded = letIn.get(call.metadata);
      if (guarded === undefined) throw new Error("a call that needs an edge came past the guard");
      return guarded;
    },
    endStreams,
    async run(signal) {
      let beganAt = performance.now();
      let reviewedAt = beganAt;
      let reviewing: Promise<void> | null = null;
      let failing = false;
      try {
        for await (const _ of ticks(tickMs, undefined, { signal })) {
          const now = performance.now();
          if (now - reviewedAt > limits.unreviewedMaxMs && streams.size > 0) {
            log.error({ streams: streams.size }, "the database was not read for 10 s; ending the streams of all edges");
            endStreams("database_unavailable: the control plane cannot read its database");
          }
          if (reviewing !== null || now - beganAt < limits.reviewIntervalMs) continue;
          beganAt = now;
          reviewing = reviewStreams()
            .then(
              (reviewed) => {
                reviewedAt = performance.now();
                // Without streams nobody was asked.
                if (reviewed === 0) return;
                if (failing) log.info({}, "the streams of edges are reviewed again");
                failing = false;
              },
              (error: unknown) => {
                if (!failing) log.warn(failureFields(error), "the streams of edges cannot be reviewed; trying again");
                failing = true;
              },
            )
            .finally(() => {
              reviewing = null;
            });
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
      await reviewing;
    },
  };
}
