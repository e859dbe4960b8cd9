// The requests to one edge, over one session of it.
//
// - What is open is sent once a session: the stream loses nothing. A later session sends again what this one got no answer to.
// - An answer is written at once. When it cannot be, the request counts as not sent: it is still open, so the next reading of the table
//   brings it back, and the edge answers as before.
// - An answer to what this session did not send is nobody's and is left out.
import { type MessageInitShape, create } from "@bufbuild/protobuf";
import { type ConnectResponse, ConnectResponseSchema, type EdgeRequestSchema } from "@helloway/proto/edge";
import { failureFields } from "../failure-fields.ts";
import type { EdgeAction, EdgeRequestResult, OpenEdgeRequest } from "../fleet/edge-requests.ts";
import type { GrpcLog } from "./grpc-log.ts";

export interface RequestSenderOptions {
  edge: string;
  /** What the agent of this session understands. */
  features: readonly string[];
  send(response: ConnectResponse): void;
  record(answer: { id: string; result: EdgeRequestResult }): Promise<void>;
  log: GrpcLog;
}

export interface RequestSender {
  /** Everything that is open. */
  open(requests: readonly OpenEdgeRequest[]): void;
  answered(answer: { id: string; result: EdgeRequestResult }): void;
  /** When what was answered is written, or could not be. */
  settled(): Promise<void>;
}

export function createRequestSender({ edge, features, send, record, log }: RequestSenderOptions): RequestSender {
  const sent = new Set<string>();
  const writing = new Set<Promise<void>>();

  const write = async (answer: { id: string; result: EdgeRequestResult }): Promise<void> => {
    try {
      await record(answer);
    } catch (error) {
      log.warn({ ...failureFields(error), edge, request: answer.id }, "an answer of an edge cannot be written");
    }
    sent.delete(answer.id);
  };
  const writeInBackground = (answer: { id: string; result: EdgeRequestResult }): void => {
    const written = write(answer);
    writing.add(written);
    void written.finally(() => writing.delete(written));
  };

  return {
    open(requests) {
      for (const { id, action } of requests) {
        if (sent.has(id)) continue;
        sent.add(id);
        log.info({ edge, request: id, ...action }, "asking an edge");
        if (features.includes(action.kind)) send(encode(id, action));
        // It came back with another agent since it was asked.
        else writeInBackground({ id, result: { error: `The edge's agent does not know "${action.kind}".` } });
      }
    },
    answered(answer) {
      if (!sent.has(answer.id)) return;
      log.info({ edge, request: answer.id, ...answer.result }, "an edge has answered");
      writeInBackground(answer);
    },
    async settled() {
      await Promise.all(writing);
    },
  };
}

function encode(id: string, { routeUid }: EdgeAction): ConnectResponse {
  const value: MessageInitShape<typeof EdgeRequestSchema> = { id, action: { case: "cut", value: { routeUid } } };
  return create(ConnectResponseSchema, { message: { case: "request", value } });
}
