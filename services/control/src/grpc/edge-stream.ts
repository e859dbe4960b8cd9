// One session of an edge: its Connect stream, from Hello to its end.
//
// States, each left only forwards:
//   greeting   Nothing was sent. Awaits Hello, at most 10 s; a first message that is something else ends the stream.
//   serving    Welcome was sent. Whenever nothing is in flight and the edge is to have something else (fleet/next-update.ts), an
//              update is sent; the edge's Ack ends its flight. Commits that come meanwhile make one step together. Requests to the
//              edge are sent as they come, between the parts of an update too, and wait for nothing.
//   ended      The client left, the guard ended the call, or the edge broke the protocol. Nothing is sent or recorded any more but that
//              the session is closed.
//
// At most one update is in flight, and of it at most what the socket takes: write() and drain are honoured.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import {
  type ConnectRequest,
  type ConnectResponse,
  ConnectResponseSchema,
  type EdgeService,
} from "@helloway/proto/edge";
import type { BidiCall } from "@helloway/proto/grpc";
import { HellowayError } from "../errors.ts";
import { failureFields } from "../failure-fields.ts";
import type { AuthorisedEdge } from "../fleet/authorise-edge.ts";
import type { EdgeRequestFeed } from "../fleet/edge-request-feed.ts";
import type { EdgeRequestResult } from "../fleet/edge-requests.ts";
import type { EdgeDescription, Session } from "../fleet/session.ts";
import type { TableHead } from "../fleet/table-version.ts";
import type { AckWriter } from "./ack-writer.ts";
import { refuse } from "./bounds.ts";
import type { GuardedCall } from "./edge-guard.ts";
import { EdgeSync } from "./edge-sync.ts";
import type { EncodedUpdates } from "./encoded-updates.ts";
import type { GrpcLog } from "./grpc-log.ts";
import { readAck } from "./read-ack.ts";
import { type EdgeHello, readHello } from "./read-hello.ts";
import { readRequestResult } from "./read-request-result.ts";
import { type RequestSender, createRequestSender } from "./request-sender.ts";
import { toStatus } from "./to-status.ts";

export type EdgeStream = BidiCall<(typeof EdgeService)["method"]["connect"]>;

export interface EdgeStreamDependencies {
  openSession(edge: AuthorisedEdge, description: EdgeDescription): Promise<Session>;
  closeSession(edgeId: string, number: number): Promise<void>;
  subscribe(poolId: string, onHead: (head: TableHead) => void): () => void;
  requests: Pick<EdgeRequestFeed, "subscribe">;
  recordRequestResult(answer: {
    id: string;
    edgeId: string;
    session: number;
    result: EdgeRequestResult;
  }): Promise<void>;
  updates: EncodedUpdates;
  acks: AckWriter;
  reportIntervalMs: number;
  now(): Date;
  log: GrpcLog;
}

const helloTimeoutMs = 10_000;
/** Before an update whose table could not be read is tried again. */
const retryMs = 1_000;

/** Serves a stream to its end; never rejects. */
export async function serveEdgeStream(
  stream: EdgeStream,
  guarded: GuardedCall,
  deps: EdgeStreamDependencies,
): Promise<void> {
  const { edge } = guarded;
  const failed = new AbortController();
  const signal = AbortSignal.any([guarded.signal, failed.signal]);
  const fail = (error: unknown): void => {
    if (signal.aborted) return;
    const { code, details, unknown } = toStatus(error);
    if (unknown) deps.log.error({ err: error, edge: edge.name }, "the stream of an edge failed");
    else deps.log.warn({ edge: edge.name, reason: details }, "ending the stream of an edge");
    failed.abort();
    stream.emit("error", { code, details });
  };
  // A stream that is destroyed while something is written to it says so as an error as well.
  stream.on("error", () => undefined);
  let session: Session | null = null;
  let requests: RequestSender | null = null;
  const subscriptions = new DisposableStack();
  try {
    const hello = await readFirst(stream, signal);
    session = await deps.openSession(edge, hello.description);
    guarded.began(session.number);
    const sync = new EdgeSync({ edge, session, hello, log: deps.log, acks: deps.acks });
    deps.log.info({ edge: edge.name, session: session.number, boot: hello.bootId }, "an edge has connected");
    const sender = createSender(stream, { edge, session, hello }, deps);
    requests = sender;
    stream.write(welcome(edge, session, deps));
    stream.on("data", ({ message }: ConnectRequest) => {
      try {
        if (message.case === "ack") sync.acknowledge(readAck(message.value));
        else if (message.case === "requestResult") sender.answered(readRequestResult(message.value));
        else if (message.case === "hello") refuse("bad_hello", "hello", "was sent before");
      } catch (error) {
        fail(error);
      }
    });
    stream.on("end", () => {
      failed.abort();
      stream.end();
    });
    stream.resume();
    subscriptions.defer(deps.subscribe(edge.poolId, (head) => sync.moveTo(head)));
    const own = { edgeId: edge.edgeId, number: session.number };
    subscriptions.defer(deps.requests.subscribe(own, (open) => signal.aborted || sender.open(open)));
    await sendUpdates(stream, sync, deps, signal);
  } catch (error) {
    fail(error);
  } finally {
    subscriptions.dispose();
    await requests?.settled();
    if (session !== null) await close(edge, session, deps);
  }
}

function createSender(
  stream: EdgeStream,
  { edge, session, hello }: { edge: AuthorisedEdge; session: Session; hello: EdgeHello },
  deps: EdgeStreamDependencies,
): RequestSender {
  return createRequestSender({
    edge: edge.name,
    features: hello.description.features,
    // A few of some bytes each: nothing to wait for the socket with.
    send: (response) => void stream.write(response),
    record: (answer) => deps.recordRequestResult({ ...answer, edgeId: edge.edgeId, session: session.number }),
    log: deps.log,
  });
}

async function sendUpdates(
  stream: EdgeStream,
  sync: EdgeSync,
  { updates, log }: EdgeStreamDependencies,
  signal: AbortSignal,
): Promise<void> {
  let failing = false;
  while (!signal.aborted) {
    const { next, head } = await sync.due(signal);
    if (next === null) return;
    try {
      const update = await updates.get(next, head);
      failing = false;
      if (!sync.sending(update)) continue;
      for (const part of update.parts) {
        if (signal.aborted) return;
        if (!stream.write(part)) await once(stream, "drain", { signal }).catch(() => undefined);
      }
    } catch (error) {
      if (!(error instanceof HellowayError) || error.kind !== "unavailable") throw error;
      if (!failing) log.warn(failureFields(error), "an update cannot be read; trying again");
      failing = true;
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** The Hello of a stream, which is its first message. */
async function readFirst(stream: EdgeStream, signal: AbortSignal): Promise<EdgeHello> {
  const timeout = AbortSignal.timeout(helloTimeoutMs);
  const { promise, resolve, reject } = Promise.withResolvers<ConnectRequest>();
  const onEnd = (): void => reject(new HellowayError("malformed", "no_hello", "The stream ended before a Hello."));
  const onAbort = (): void => reject(new HellowayError("malformed", "no_hello", "No Hello came in time."));
  stream.once("data", resolve);
  stream.once("end", onEnd);
  const either = AbortSignal.any([signal, timeout]);
  either.addEventListener("abort", onAbort, { once: true });
  try {
    const { message } = await promise;
    // Nothing is read on before the session is open.
    stream.pause();
    if (message.case !== "hello") refuse("no_hello", "the first message", "is not a Hello");
    return readHello(message.value);
  } finally {
    stream.off("end", onEnd);
    either.removeEventListener("abort", onAbort);
  }
}

function welcome(edge: AuthorisedEdge, { head }: Session, deps: EdgeStreamDependencies): ConnectResponse {
  return create(ConnectResponseSchema, {
    message: {
      case: "welcome",
      value: {
        installation: head.installation,
        poolId: edge.poolId,
        pool: edge.pool,
        edgeName: edge.name,
        serverTimeMs: BigInt(deps.now().getTime()),
        reportIntervalMs: deps.reportIntervalMs,
      },
    },
  });
}

async function close(edge: AuthorisedEdge, session: Session, deps: EdgeStreamDependencies): Promise<void> {
  deps.log.info({ edge: edge.name, session: session.number }, "an edge has disconnected");
  try {
    await deps.closeSession(edge.edgeId, session.number);
  } catch (error) {
    // It counts as disconnected all the same once it was not seen for a while.
    deps.log.warn({ ...failureFields(error), edge: edge.name }, "the end of a session cannot be written");
  }
}
