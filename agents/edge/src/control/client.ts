// Keeps a session with the control plane: dials, runs the session to its end, waits with full jitter, dials again, for ever. What is
// served never depends on it.
import { status } from "@grpc/grpc-js";
import type { ReportRequest, ReportResponse, Welcome } from "@helloway/proto/edge";
import type { Logger } from "@helloway/runtime/logger";
import type { Relay } from "../relay/relay.ts";
import { Backoff } from "./backoff.ts";
import { type EdgeClient, createEdgeClient } from "./channel.ts";
import type { CorrectedClock } from "./corrected-clock.ts";
import { describeError } from "./describe-error.ts";
import type { Identity } from "./identity.ts";
import { pause } from "./pause.ts";
import { RequestAnswers } from "./request-answers.ts";
import { isServiceError } from "./service-error.ts";
import { type AgentDescription, type SessionOptions, runSession } from "./session.ts";
import type { ServedTable } from "./served-table.ts";

const reconnectMs = { firstMs: 250, maxMs: 15_000 } as const;
/** A session shorter than this is no reason to dial as if all were well. */
const stableSessionMs = 5_000;
const reportDeadlineMs = 10_000;

/** Whether there is a session, and since when; without one also why the last attempt ended. */
export type ControlStatus = { connected: true; since: Date } | { connected: false; since: Date; reason: string };

export interface ControlClientOptions {
  identity: Identity;
  /** host:port. */
  address: string;
  agent: AgentDescription;
  table: ServedTable;
  /** Does what the control plane asks for at once. */
  relay: Pick<Relay, "cut">;
  clock: CorrectedClock;
  /** A session is established. */
  onWelcome: (welcome: Welcome) => void;
  log: Logger;
}

export class ControlClient {
  readonly #options: ControlClientOptions;
  readonly #log: Logger;
  #status: ControlStatus = { connected: false, since: new Date(), reason: "not dialled yet" };
  readonly #told: SessionOptions["told"] = { disk: null };
  readonly #requests: RequestAnswers;
  /** The established session. */
  #session: { client: EdgeClient; welcome: Welcome } | null = null;

  constructor(options: ControlClientOptions) {
    this.#options = options;
    this.#requests = new RequestAnswers(options.relay);
    this.#log = options.log.child({ address: options.address });
  }

  get status(): ControlStatus {
    return this.#status;
  }

  /** Of the established session; null: there is none. */
  get welcome(): Welcome | null {
    return this.#session?.welcome ?? null;
  }

  /** Delivers a report over the established session; null: there is none. Rejects with grpc.ServiceError. */
  report(request: ReportRequest, signal: AbortSignal): Promise<ReportResponse> | null {
    return this.#session?.client.report(request, { signal, deadlineMs: reportDeadlineMs }) ?? null;
  }

  /** Runs until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(reconnectMs);
    let told = "";
    while (!signal.aborted) {
      const reason = await this.#runOnce(signal);
      const { status } = this;
      this.#session = null;
      if (signal.aborted) break;
      this.#status = { connected: false, since: status.connected ? new Date() : status.since, reason };
      if (status.connected && Date.now() - status.since.getTime() >= stableSessionMs) {
        backoff.reset();
        told = "";
      }
      // Once for each reason, however often the attempt is repeated.
      if (told !== reason) this.#tell(reason);
      told = reason;
      await pause(backoff.nextMs(), signal);
    }
    this.#status = { connected: false, since: new Date(), reason: "stopping" };
  }

  /** One session from dialling to its end; why it ended. */
  async #runOnce(signal: AbortSignal): Promise<string> {
    const { identity, address, agent, table, clock } = this.#options;
    const onWelcome = (welcome: Welcome): void => {
      this.#session = { client, welcome };
      this.#status = { connected: true, since: new Date() };
      this.#options.onWelcome(welcome);
    };
    const client = createEdgeClient(address, identity.authorities, identity);
    try {
      const [requests, told, log] = [this.#requests, this.#told, this.#log];
      await runSession({ client, identity, agent, table, requests, clock, told, onWelcome, log }, signal);
      return "the control plane ended the session";
    } catch (error) {
      return explain(error);
    } finally {
      client.close();
    }
  }

  #tell(reason: string): void {
    const serving =
      this.#options.table.held === null ? "nothing to serve yet" : "serving goes on with the table as it is";
    this.#log.warn({ reason }, `no session with the control plane; ${serving}`);
  }
}

function explain(error: unknown): string {
  if (!isServiceError(error)) return describeError(error);
  switch (error.code) {
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return (
        `the control plane refuses this edge's identity (${error.details}): ask an administrator what became of the edge; to enrol ` +
        "anew, remove edge/identity from the data directory and start with a join token"
      );
    case status.UNAVAILABLE:
      if (/certificate|issuer/.test(error.details)) {
        return `what answers there is not the control plane of this edge's installation: ${error.details}`;
      }
      return `the control plane cannot be reached: ${error.details}`;
    default:
      return error.message;
  }
}
