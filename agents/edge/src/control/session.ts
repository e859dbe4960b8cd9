// One session of an edge with the control plane: one Connect stream, from Hello to its end.
//
// States, each left only forwards:
//   greeting   Hello is sent, with what is served. Awaits Welcome, at most 10 s. A Welcome of another installation ends the session.
//   following  Awaits updates. The parts of one are collected; with the last one the served table takes or refuses it, and Ack
//              answers. Then the next: one update is in flight at a time, and the control plane sends only the latest.
//              A request is answered when it is done: it waits for an update that is being taken, and holds none up.
//   ended      The stream ended or failed, the signal aborted, or the peer broke the protocol. The table stays what it is.
//
// An Ack that refuses an update whole carries that update's version and the digest of what is held instead. Acknowledgements do not
// wait for the disk: when its state is another than the control plane was told last, the version that is held is acknowledged
// once more; but not where the digests differ, because there a second Ack would count as a second failure.
import { type MessageInitShape, create } from "@bufbuild/protobuf";
import {
  AckSchema,
  ConnectRequestSchema,
  type ConnectResponse,
  type EdgeRequest,
  type EdgeService,
  type HelloSchema,
  type Welcome,
} from "@helloway/proto/edge";
import type { ClientStream } from "@helloway/proto/grpc";
import { emptyDigest } from "@helloway/routing/object-digest";
import type { Logger } from "@helloway/runtime/logger";
import type { ListenerAddress, RefusedObject } from "../relay/relay.ts";
import type { EdgeClient } from "./channel.ts";
import type { CorrectedClock } from "./corrected-clock.ts";
import type { Identity } from "./identity.ts";
import { ProtocolError } from "./protocol-error.ts";
import type { RequestAnswers } from "./request-answers.ts";
import type { ServedTable } from "./served-table.ts";
import type { DiskState } from "./table-store.ts";
import type { TableVersion } from "./table-version.ts";
import { toRefusal } from "./to-refusal.ts";
import { type CollectedUpdate, UpdateCollector } from "./update-collector.ts";

const welcomeTimeoutMs = 10_000;

/** What an agent says of itself. */
export interface AgentDescription {
  /** UUID of this run. */
  bootId: string;
  agentVersion: string;
  features: readonly string[];
  /** As bound. */
  listeners: readonly ListenerAddress[];
  admin: ListenerAddress;
  /** Public addresses of this edge. */
  addresses: readonly string[];
}

export interface SessionOptions {
  client: EdgeClient;
  identity: Identity;
  agent: AgentDescription;
  table: ServedTable;
  /** Those of all sessions. */
  requests: RequestAnswers;
  clock: CorrectedClock;
  /** What the control plane was told last of the disk, over all sessions. */
  told: { disk: DiskState | null };
  onWelcome: (welcome: Welcome) => void;
  log: Logger;
}

type Stream = ClientStream<(typeof EdgeService)["method"]["connect"]>;

/** Resolves when the control plane ended the stream; rejects with grpc.ServiceError, ProtocolError or the signal's reason. */
export async function runSession(options: SessionOptions, signal: AbortSignal): Promise<void> {
  const greeting = new AbortController();
  const greetingTimer = setTimeout(
    () => greeting.abort(new ProtocolError(`no Welcome within ${welcomeTimeoutMs / 1000} s`)),
    welcomeTimeoutMs,
  );
  const stream = options.client.connect({ signal: AbortSignal.any([signal, greeting.signal]) });
  // A cancelled stream fails also when nobody reads it any more.
  stream.on("error", () => undefined);
  const session = new Session(options, stream);
  try {
    session.hello();
    for await (const message of stream as AsyncIterable<ConnectResponse>) {
      if (message.message.case === "welcome") clearTimeout(greetingTimer);
      await session.receive(message);
    }
  } catch (error) {
    greeting.signal.throwIfAborted();
    signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(greetingTimer);
    session.end();
    stream.cancel();
  }
}

interface Answer {
  version: TableVersion;
  digest: Uint8Array;
  refused?: readonly RefusedObject[];
  /** Why the update was refused whole. */
  refusedWhole?: string;
}

class Session {
  readonly #options: SessionOptions;
  readonly #stream: Stream;
  readonly #collector = new UpdateCollector();
  readonly #stopWatching: () => void;
  #helloSentAt = 0;
  /** Where this edge belongs; null while greeting. */
  #own: { installation: string; poolId: string } | null = null;
  /** While parts come in and are taken nothing else is acknowledged. */
  #isTaking = false;
  #isDiverged = false;

  constructor(options: SessionOptions, stream: Stream) {
    this.#options = options;
    this.#stream = stream;
    this.#stopWatching = options.table.watchDisk(() => this.#diskChanged());
  }

  hello(): void {
    const { agent, identity, table, clock } = this.#options;
    const hello: MessageInitShape<typeof HelloSchema> = {
      bootId: agent.bootId,
      agentVersion: agent.agentVersion,
      features: [...agent.features],
      listeners: [...agent.listeners],
      admin: agent.admin,
      addresses: [...agent.addresses],
    };
    const held = table.held;
    if (held !== null && held.version.installation === identity.installation) {
      hello.have = held.version;
      hello.digest = held.digest;
      hello.refusals = held.refused.map(toRefusal);
    }
    this.#helloSentAt = clock.localNow();
    this.#stream.write(create(ConnectRequestSchema, { message: { case: "hello", value: hello } }));
  }

  async receive({ message }: ConnectResponse): Promise<void> {
    switch (message.case) {
      case "welcome":
        return this.#welcome(message.value);
      case "update": {
        if (this.#own === null) throw new ProtocolError("an update came before Welcome");
        this.#isTaking = true;
        const collected = await this.#collector.add(message.value);
        if (collected === null) return;
        await this.#take(collected, this.#own);
        this.#isTaking = false;
        return;
      }
      case "request":
        if (this.#own === null) throw new ProtocolError("a request came before Welcome");
        void this.#answer(message.value);
        return;
      case undefined:
        // A message of a later control plane; it may send what this agent has no feature for only if it can be skipped.
        return;
    }
  }

  end(): void {
    this.#stopWatching();
  }

  #welcome(welcome: Welcome): void {
    const { identity, clock, log, onWelcome } = this.#options;
    if (this.#own !== null) throw new ProtocolError("a second Welcome came");
    if (welcome.installation !== identity.installation) {
      throw new ProtocolError(
        `this control plane is of installation ${welcome.installation}, and this edge belongs to ${identity.installation}`,
      );
    }
    clock.observe(this.#helloSentAt, clock.localNow(), Number(welcome.serverTimeMs));
    this.#own = { installation: welcome.installation, poolId: welcome.poolId };
    log.info({ pool: welcome.pool, edge: welcome.edgeName, clockOffsetMs: Math.round(clock.offsetMs()) }, "connected");
    onWelcome(welcome);
    this.#diskChanged();
  }

  async #take(collected: CollectedUpdate, own: { installation: string; poolId: string }): Promise<void> {
    const { table, log } = this.#options;
    const to = collected.usable ? collected.update.to : collected.to;
    const refusedWhole = collected.usable ? await table.take(collected.update, own) : collected.reason;
    const revision = String(to.revision);
    if (refusedWhole !== null) {
      log.error({ revision, reason: refusedWhole }, "an update was refused whole; what was served stays");
      this.#acknowledge({ version: to, digest: table.held?.digest ?? emptyDigest(), refusedWhole });
      return;
    }
    const { held } = table;
    this.#isDiverged = collected.usable && Buffer.compare(held?.digest ?? emptyDigest(), collected.update.digest) !== 0;
    const refused = held?.refused ?? [];
    log.info({ revision, objects: held?.objects.size ?? 0, refused: refused.length }, "serving a new revision");
    this.#acknowledgeHeld();
  }

  async #answer(request: EdgeRequest): Promise<void> {
    const { requests, log } = this.#options;
    const answer = await requests.answer(request);
    log.info(
      {
        request: request.id,
        action: request.action.case ?? "unknown",
        ...(answer.error ? { error: answer.error } : { connections: Number(answer.connections ?? 0) }),
      },
      "answering a request of the control plane",
    );
    // Else the next session is asked again, and answers the same.
    if (!this.#stream.writable) return;
    this.#stream.write(create(ConnectRequestSchema, { message: { case: "requestResult", value: answer } }));
  }

  #diskChanged(): void {
    if (this.#own === null || this.#isTaking || this.#isDiverged) return;
    const now = this.#options.table.disk();
    const { disk } = this.#options.told;
    if (disk?.savedRevision !== now.savedRevision || disk.error !== now.error) this.#acknowledgeHeld();
  }

  #acknowledgeHeld(): void {
    const held = this.#options.table.held;
    // What is served may still be another pool's table, which is nothing to acknowledge here.
    if (held?.version.poolId !== this.#own?.poolId || held === null) return;
    this.#acknowledge({ version: held.version, digest: held.digest, refused: held.refused });
  }

  #acknowledge(answer: Answer): void {
    const disk = this.#options.table.disk();
    this.#options.told.disk = disk;
    if (!this.#stream.writable) return;
    const ack = create(AckSchema, {
      version: answer.version,
      digest: answer.digest,
      refusals: (answer.refused ?? []).map(toRefusal),
      refusedWhole: answer.refusedWhole ?? "",
      disk,
    });
    this.#stream.write(create(ConnectRequestSchema, { message: { case: "ack", value: ack } }));
  }
}
