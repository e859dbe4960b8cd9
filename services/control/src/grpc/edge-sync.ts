import { createHash } from "node:crypto";
import type { EdgeRefusal } from "../fleet/acknowledgements.ts";
import type { AuthorisedEdge } from "../fleet/authorise-edge.ts";
import { acknowledged, type EdgeProgress, type NextUpdate, nextUpdate } from "../fleet/next-update.ts";
import type { Session } from "../fleet/session.ts";
import { compareVersions, type TableHead, type TableVersion } from "../fleet/table-version.ts";
import type { AckWriter } from "./ack-writer.ts";
import { refuse } from "./bounds.ts";
import type { EncodedUpdate } from "./encoded-updates.ts";
import type { GrpcLog } from "./grpc-log.ts";
import type { EdgeAck } from "./read-ack.ts";
import type { EdgeHello } from "./read-hello.ts";

export interface EdgeSyncOptions {
  edge: AuthorisedEdge;
  session: Session;
  hello: EdgeHello;
  acks: AckWriter;
  log: GrpcLog;
}

/** What is to be sent, seen from a head; null: the session has ended. */
type Due = { next: Exclude<NextUpdate, { send: "nothing" }>; head: TableHead } | { next: null; head: null };

/** How far one session of an edge is: what it holds, what is in flight to it, where its pool is. */
export class EdgeSync {
  readonly #options: EdgeSyncOptions;
  #head: TableHead;
  #progress: EdgeProgress;
  #inFlight: TableHead | null = null;
  #told = "";
  #refusals: string | null = null;
  #wake: () => void = () => undefined;

  constructor(options: EdgeSyncOptions) {
    this.#options = options;
    this.#head = options.session.head;
    this.#progress = this.#progressOf(options.hello);
  }

  /** The pool has moved. An older head is news that was overtaken. */
  moveTo(head: TableHead): void {
    const order = compareVersions(head, this.#head);
    if (order < 0 || (order === 0 && Buffer.compare(head.digest, this.#head.digest) === 0)) return;
    this.#head = head;
    this.#wake();
  }

  /** Waits until something is to be sent. */
  async due(signal: AbortSignal): Promise<Due> {
    const wake = (): void => this.#wake();
    signal.addEventListener("abort", wake, { once: true });
    try {
      for (;;) {
        if (signal.aborted) return { next: null, head: null };
        const next = this.#inFlight === null ? nextUpdate(this.#progress, this.#head) : null;
        if (next !== null && next.send !== "nothing") return { next, head: this.#head };
        if (next !== null) this.#tell(next.because);
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  /** The update goes into flight. False: it is not needed any more. */
  sending(update: EncodedUpdate): boolean {
    const { held } = this.#progress;
    if (held !== null && compareVersions(update.to, held) < 0) return false;
    this.#inFlight = update.to;
    // A snapshot may be of a later commit than the feed has told of.
    this.moveTo(update.to);
    const { edge, log } = this.#options;
    log.debug({ edge: edge.name, revision: update.to.revision, snapshot: update.isSnapshot }, "sending an update");
    return true;
  }

  /** Takes an Ack. Throws malformed/bad_ack when it is of a version that the edge was never sent. */
  acknowledge({ version, disk, answer }: EdgeAck): void {
    const { edge, session, acks, log } = this.#options;
    const inFlight = this.#inFlight !== null && this.#isThis(version, this.#inFlight) ? this.#inFlight : null;
    const { held } = this.#progress;
    const about = { edge: edge.name, revision: version.revision };
    if (!answer.taken) {
      if (inFlight === null) refuse("bad_ack", "refused_whole", "is of an update that is not in flight");
      this.#inFlight = null;
      this.#progress = { ...this.#progress, refused: { epoch: version.epoch, revision: version.revision } };
      log.error({ ...about, reason: answer.reason }, "an edge refused an update whole and keeps what it had");
      acks.write({ edgeId: edge.edgeId, session: session.number, applied: null, disk, refusals: null });
      this.#wake();
      return;
    }
    const { epoch, revision } = version;
    const offered = inFlight ?? (held !== null && this.#isThis(version, held) ? held : null);
    if (offered === null) refuse("bad_ack", "version", "is neither what was sent nor what the edge had");
    if (inFlight !== null) {
      this.#inFlight = null;
      this.#progress = acknowledged(this.#progress, { epoch, revision, digest: answer.digest }, inFlight.digest);
    }
    const fits = Buffer.compare(answer.digest, offered.digest) === 0;
    if (!fits) log.warn(about, "the table of an edge is not what was sent: its digest differs");
    const applied = fits && this.#isKnown(epoch, revision) ? { epoch, revision } : null;
    const refusals = fits ? this.#changed(answer.refusals) : null;
    acks.write({ edgeId: edge.edgeId, session: session.number, applied, disk, refusals });
    this.#wake();
  }

  #progressOf({ have, refusals }: EdgeHello): EdgeProgress {
    const { edge, session, acks } = this.#options;
    const nothing = { held: null, mismatch: null, refused: null };
    const head = this.#head;
    // Of another installation or pool: as if it had nothing.
    if (have === null || have.version.installation !== head.installation || have.version.poolId !== head.poolId) {
      return nothing;
    }
    const held = { epoch: have.version.epoch, revision: have.version.revision, digest: have.digest };
    if (compareVersions(held, head) !== 0) return { ...nothing, held };
    const progress = acknowledged(nothing, held, head.digest);
    // Its last Ack may have been lost with the stream before this one.
    if (progress.mismatch === null) {
      const { epoch, revision } = held;
      const changed = this.#changed(refusals);
      acks.write({
        edgeId: edge.edgeId,
        session: session.number,
        applied: { epoch, revision },
        disk: null,
        refusals: changed,
      });
    }
    return progress;
  }

  #isThis(version: TableVersion, other: Pick<TableVersion, "epoch" | "revision">): boolean {
    const { installation, poolId } = this.#head;
    const isOurs = version.installation === installation && version.poolId === poolId;
    return isOurs && compareVersions(version, other) === 0;
  }

  /** An edge that is ahead of the database applied nothing that the database knows. */
  #isKnown(epoch: number, revision: number): boolean {
    return compareVersions({ epoch, revision }, this.#head) <= 0;
  }

  /** null: the same as last time, so that what stands is not written anew with every Ack. */
  #changed(refusals: EdgeRefusal[]): EdgeRefusal[] | null {
    const hash = createHash("sha256");
    for (const { kind, id, offeredHash, usedHash, code, detail } of refusals) {
      hash.update(JSON.stringify([kind, id, hex(offeredHash), usedHash === null ? null : hex(usedHash), code, detail]));
    }
    const digest = hash.digest("hex");
    if (digest === this.#refusals) return null;
    this.#refusals = digest;
    return refusals;
  }

  #tell(because: Extract<NextUpdate, { send: "nothing" }>["because"]): void {
    const { edge, log } = this.#options;
    const { epoch, revision } = this.#head;
    // How far it is ahead changes with every commit, and is no news.
    const what = because === "ahead" ? because : `${because} ${epoch} ${revision}`;
    if (what === this.#told) return;
    this.#told = what;
    const fields = { edge: edge.name, epoch, revision, held: this.#progress.held?.revision ?? null };
    if (because === "ahead") {
      log.error(
        fields,
        "ahead: the edge has a later table than the database, which was probably restored from a backup; it is sent nothing",
      );
    } else if (because === "diverged") {
      log.error(
        fields,
        "diverged: twice the edge's table was not what was sent; it is sent nothing until the next revision",
      );
    }
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
