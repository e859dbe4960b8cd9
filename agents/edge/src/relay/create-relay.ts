// The engine of the agent: workers, each a thread with listening sockets, a table and connections of its own, and this coordinator,
// through which no connection passes. It hands tables on, merges counters, and replaces a worker that died.
//
// Invariants:
// - Every worker is offered the same updates in the same order, so all serve and refuse the same. One of them tells.
// - What a dead worker had open is closed as worker_lost, and nothing that it held of limits or budgets stays taken.
// - A worker that died is replaced: the new one is offered the whole table before it listens. Where its listening socket was passed
//   by a supervisor, it closed with the worker, and the engine has failed.
// - A drain leaves passed sockets for good, those too that listen() has not opened yet: it opens them only to close them, and no
//   replacement opens any, since a descriptor's number may be another's by then. close() alike.
// - An update that no worker lived to take was not taken: it waits for the next one that takes a dead one's place, outside of the
//   queue in which that happens.
import { openCountryDatabase } from "./geo/open-country-database.ts";
import { ownSockets } from "./own-sockets.ts";
import type {
  ApplyResult,
  Counters,
  CutSelector,
  DrainOptions,
  ForgottenCounters,
  ListenerAddress,
  RefusedObject,
  Relay,
  TableUpdate,
} from "./relay.ts";
import type { RelayOptions } from "./relay-options.ts";
import { TrafficReader } from "./shared/traffic-reader.ts";
import { reserveAddress, type ReservedAddress } from "./socket/listen-tcp.ts";
import { encodeObjects } from "./worker/encoded-objects.ts";
import { unpackRefused } from "./worker/packed-refused.ts";
import { createEngineMemory, forgetWorker } from "./worker/engine-memory.ts";
import type { Applied, ApplyCall, EngineMemory, FromWorker, ListenCall, WorkerStart } from "./worker/messages.ts";
import { OfferedTable } from "./worker/offered-table.ts";
import { WorkerLostError, WorkerThread } from "./worker/worker-thread.ts";

export type { RelayOptions } from "./relay-options.ts";

/** A worker that lives shorter than this is replaced later and later, up to the longest wait. */
const STABLE_MS = 10_000;
const REPLACE_FIRST_MS = 100;
const REPLACE_MAX_MS = 10_000;

/** An engine that does not accept yet. Rejects when the country database cannot be used. */
export async function createRelay(options: RelayOptions): Promise<Relay> {
  const { geoDatabase } = options;
  return new NodeRelay(options, geoDatabase === null ? null : (await openCountryDatabase(geoDatabase)).bytes);
}

interface Seat {
  readonly worker: number;
  thread: WorkerThread;
  spawned: number;
  /** Of its counters: slots that the thread may use again. */
  freed: number[];
  startedAt: number;
  /** Before the next replacement. */
  waitMs: number;
}

class NodeRelay implements Relay {
  readonly failed: Promise<never>;
  readonly #options: RelayOptions;
  readonly #countries: Uint8Array | null;
  readonly #memory: EngineMemory;
  readonly #traffic = new TrafficReader();
  readonly #offered = new OfferedTable();
  readonly #seats: Seat[];
  readonly #fail: (error: Error) => void;
  #spawned = 0;
  #ownSockets: readonly ListenerAddress[];
  #edgeName: string;
  #bound: ListenerAddress[] = [];
  /** What each worker listens on; null: not yet. */
  #targets: ListenCall["targets"][] | null = null;
  #isServing = false;
  /** There has been a drain. */
  #leavesPassed = false;
  #isDraining = false;
  #isClosed = false;
  /** Changes of tables and workers, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  /** listen(), as long as it runs; never rejects. */
  #listening: Promise<unknown> = Promise.resolve();
  /** Updates, which keep their order also while one waits. */
  #lastUpdate: Promise<unknown> = Promise.resolve();
  /** Resolves at the end of the next attempt to replace a worker, whatever came of it, and on close(). */
  #attempted = Promise.withResolvers<void>();

  constructor(options: RelayOptions, countries: Uint8Array | null) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    this.failed = promise;
    this.#fail = reject;
    this.#options = options;
    this.#countries = countries;
    this.#edgeName = options.edgeName;
    this.#memory = createEngineMemory(options.workers, listeningSockets(options));
    this.#ownSockets = ownSockets([...options.listen.filter((each) => "address" in each), ...options.ownSockets]);
    this.#seats = Array.from({ length: options.workers }, (_, worker) => ({
      worker,
      thread: this.#spawn(worker),
      spawned: this.#spawned,
      freed: [],
      startedAt: performance.now(),
      waitMs: REPLACE_FIRST_MS,
    }));
  }

  #spawn(worker: number): WorkerThread {
    const { options, spawned } = { options: this.#options, spawned: ++this.#spawned };
    const start: WorkerStart = {
      worker,
      idPrefix: `${options.bootId}-${spawned}-`,
      edgeName: this.#edgeName,
      memory: this.#memory,
      dnsServers: options.dnsServers,
      proxyTrusted: options.proxyTrusted,
      countries: this.#countries,
      wantsRecords: options.onClosed !== undefined,
      wantsDebug: options.log.isLevelEnabled?.("debug") ?? true,
      ownSockets: this.#ownSockets,
    };
    const thread = new WorkerThread(start, {
      onMessage: (message) => this.#heard(spawned, message),
      onEnd: (error) => void this.#lost(worker, spawned, error),
    });
    return thread;
  }

  #heard(spawned: number, message: Exclude<FromWorker, { kind: "answer" | "failure" }>): void {
    switch (message.kind) {
      case "traffic":
        return this.#traffic.announced(spawned, message.announcement);
      case "records":
        return this.#closed(message.lines);
      case "evict":
        return this.#seats[message.worker]?.thread.tell({ kind: "evict", source: message.source });
      case "log":
        this.#options.log[message.level](message.fields, message.message);
    }
  }

  /** Whatever the owner's listener throws is its own defect. */
  #closed(lines: string): void {
    try {
      this.#options.onClosed?.(lines);
    } catch (error) {
      this.#options.log.error({ err: error }, "internal error after connections");
    }
  }

  async listen(): Promise<void> {
    const listening = this.#listen();
    this.#listening = listening.catch(() => undefined);
    await listening;
  }

  async #listen(): Promise<void> {
    const reserved: ReservedAddress[] = [];
    try {
      await this.#listenOn(reserved);
    } finally {
      await Promise.all(reserved.map((each) => each.release()));
    }
  }

  /** @param reserved what it reserves, to be released by the caller. */
  async #listenOn(reserved: ReservedAddress[]): Promise<void> {
    const { listen, workers } = this.#options;
    const targets: ListenCall["targets"][number][][] = Array.from({ length: workers }, () => []);
    /** Where the answers will say what each was bound to: by worker, the place among its targets. */
    const bound: (ListenerAddress | { worker: number; place: number })[] = [];
    for (const spec of listen) {
      const proxy = spec.proxy ?? false;
      if ("descriptors" in spec) {
        // Each is accepted from by one worker, however many there are.
        for (const [index, descriptor] of spec.descriptors.entries()) {
          const worker = index % workers;
          bound.push({ worker, place: targets[worker]!.push({ descriptor, proxy }) - 1 });
        }
      } else {
        const own = await reserveAddress(spec);
        reserved.push(own);
        const { address } = own;
        for (const each of targets) each.push({ ...address, proxy });
        bound.push(address);
      }
    }
    const answers = await this.#next(async () => {
      const asked = this.#seats.map(({ thread, worker }) =>
        thread.call("listen", {
          targets: this.#isClosed ? targets[worker]!.filter(isPassed) : targets[worker]!,
          leavesPassed: this.#leavesPassed || this.#isClosed,
        }),
      );
      const listening = await Promise.all(asked);
      this.#targets = targets;
      return listening;
    });
    if (this.#isClosed) throw new Error("the relay was closed before it listened");
    const addresses = bound.map((each) => ("address" in each ? each : answers[each.worker]![each.place]!));
    // Sockets that share a port are one listener.
    this.#bound = [...new Map(addresses.map((each) => [`${each.address} ${each.port}`, each])).values()];
    this.#ownSockets = ownSockets([...this.#bound, ...this.#options.ownSockets]);
    await this.#everyone((thread) => thread.call("setOwnSockets", this.#ownSockets));
  }

  get listeners(): readonly ListenerAddress[] {
    return this.#bound;
  }

  async apply(update: TableUpdate): Promise<ApplyResult> {
    const turn = this.#lastUpdate.then(() => this.#applyNext(update));
    this.#lastUpdate = turn.catch(() => undefined);
    return await turn;
  }

  /** When no worker lives: once more with the first that takes a dead one's place. */
  async #applyNext(update: TableUpdate): Promise<ApplyResult> {
    const first = await this.#next(async () => {
      const result = await this.#offer(update);
      return result ?? { attempted: this.#attempted.promise };
    });
    if ("refused" in first) return first;
    if (!this.#isClosed) await Promise.race([first.attempted, this.failed]);
    const second = await this.#next(() => this.#offer(update));
    if (second === null) throw new Error("every worker of the relay ended before it had taken an update");
    return second;
  }

  /** null: no worker lived to take it, and the table is what it was. */
  async #offer(update: TableUpdate): Promise<ApplyResult | null> {
    const call = toCall(update);
    const answers = await Promise.all(
      this.#seats.map(({ thread }, i) => ignoringLoss(thread.call("apply", { ...call, tellRefused: i === 0 }))),
    );
    const refused = await this.#refusedBy(answers);
    if (refused === null) return null;
    this.#offered.taken(update, refused);
    return { refused };
  }

  /**
   * The first worker has told what is refused; when it died meanwhile, another one that has taken the update is asked, which is only
   * known once it has answered: until then what it says is true of the table before. null: nobody has, and lives.
   */
  async #refusedBy(answers: readonly (Applied | null)[]): Promise<RefusedObject[] | null> {
    const ask: ApplyCall = { ...toCall({ snapshot: false, objects: [], removals: [] }), tellRefused: true };
    for (const [i, { thread }] of this.#seats.entries()) {
      if (answers[i] === null) continue;
      const answer = i === 0 ? answers[0] : await ignoringLoss(thread.call("apply", ask));
      if (!answer) continue;
      this.#isServing = answer.serving;
      return unpackRefused(answer.refused ?? []);
    }
    return null;
  }

  async setEdgeName(name: string): Promise<void> {
    this.#edgeName = name;
    await this.#everyone((thread) => thread.call("setEdgeName", { name }));
  }

  async counters(): Promise<Counters> {
    await Promise.all(this.#seats.map((seat) => this.#flush(seat)));
    return this.#traffic.counters();
  }

  async #flush({ thread, spawned, freed }: Seat): Promise<void> {
    const left = await ignoringLoss(thread.call("flush", { freed: freed.splice(0) }));
    if (left !== null) freed.push(...this.#traffic.letGo(spawned, left));
  }

  forget(kept: Counters): ForgottenCounters {
    return this.#traffic.forget(kept);
  }

  async cut(selector: CutSelector): Promise<number> {
    const answers = await this.#everyone((thread) => thread.call("cut", { routeUid: selector.routeUid ?? null }));
    return answers.reduce<number>((sum, cut) => sum + (cut ?? 0), 0);
  }

  async drain({ timeoutMs }: DrainOptions): Promise<void> {
    this.#isDraining = true;
    this.#leavesPassed = true;
    await Promise.all([this.#everyone((thread) => thread.call("drain", { timeoutMs })), this.#listening]);
  }

  async resume(): Promise<void> {
    if (this.#leavesPassed && this.#options.listen.some((spec) => "descriptors" in spec)) {
      const message =
        "the drain has closed sockets that a supervisor had passed: only a new process accepts there again";
      this.#options.log.warn({}, message);
    }
    this.#isDraining = false;
    await this.#everyone((thread) => thread.call("resume", null));
  }

  serving(): boolean {
    return this.#isServing;
  }

  async close(): Promise<void> {
    this.#bound = [];
    this.#isClosed = true;
    this.#attempted.resolve();
    await this.#everyone((thread) => thread.call("close", null));
    await this.#listening;
    await Promise.all(this.#seats.map(({ thread }) => thread.end()));
  }

  /** null: it was lost meanwhile. */
  async #everyone<T>(ask: (thread: WorkerThread) => Promise<T>): Promise<(T | null)[]> {
    return await Promise.all(this.#seats.map(({ thread }) => ignoringLoss(ask(thread))));
  }

  async #next<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(step);
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  /** A worker ended. */
  async #lost(worker: number, spawned: number, cause: unknown): Promise<void> {
    const connections = this.#traffic.workerLost(spawned);
    if (this.#isClosed) return;
    await forgetWorker(this.#memory, worker);
    for (const { thread } of this.#seats) thread.tell({ kind: "relieve" });
    const about = { worker, connections, err: cause instanceof Error ? cause : undefined };
    const passed = this.#targets?.[worker]?.some(isPassed) ?? false;
    if (passed && !this.#leavesPassed) {
      this.#options.log.error(about, "a worker ended and took a listening socket with it that a supervisor had passed");
      this.#fail(new Error("a worker of the relay ended with a listening socket that only a supervisor can make anew"));
      return;
    }
    const seat = this.#seats[worker]!;
    this.#options.log.error(about, "a worker ended; its connections are lost");
    this.#replaceLater(seat);
  }

  #replaceLater(seat: Seat): void {
    const isStable = performance.now() - seat.startedAt >= STABLE_MS;
    seat.waitMs = isStable ? REPLACE_FIRST_MS : Math.min(2 * seat.waitMs, REPLACE_MAX_MS);
    setTimeout(() => void this.#next(() => this.#replace(seat)), seat.waitMs).unref();
  }

  /** Never rejects. */
  async #replace(seat: Seat): Promise<void> {
    if (this.#isClosed) return;
    seat.startedAt = performance.now();
    let thread: WorkerThread | null = null;
    try {
      thread = this.#spawn(seat.worker);
      Object.assign(seat, { thread, spawned: this.#spawned, freed: [] });
      const table = this.#offered.snapshot();
      if (table) await thread.call("apply", toCall(table));
      if (this.#isClosed) return;
      if (this.#isDraining) void ignoringLoss(thread.call("drain", { timeoutMs: 0 }));
      const targets = this.#targets?.[seat.worker]?.filter((target) => !isPassed(target));
      if (targets) await thread.call("listen", { targets, leavesPassed: this.#leavesPassed });
      this.#options.log.info({ worker: seat.worker }, "a worker has taken the place of the one that ended");
    } catch (error) {
      // Its end brings the next attempt.
      if (error instanceof WorkerLostError) return;
      this.#options.log.error({ err: error, worker: seat.worker }, "a worker could not be replaced; trying again");
      if (thread) await thread.terminate();
      else this.#replaceLater(seat);
    } finally {
      this.#attempted.resolve();
      this.#attempted = Promise.withResolvers<void>();
    }
  }
}

function isPassed(target: ListenCall["targets"][number]): boolean {
  return "descriptor" in target;
}

function toCall({ snapshot, objects, removals, kept = [] }: TableUpdate): ApplyCall {
  return {
    snapshot,
    objects: encodeObjects(objects),
    removals,
    kept: encodeObjects(kept),
    tellRefused: false,
  };
}

/** null: the worker was lost. */
async function ignoringLoss<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof WorkerLostError) return null;
    throw error;
  }
}

/** Each worker has one of its own for each address, and of those that were passed each is one worker's. */
function listeningSockets({ listen, workers }: RelayOptions): number {
  return listen.reduce((sum, each) => sum + ("descriptors" in each ? each.descriptors.length : workers), 0);
}
