// Acknowledgements are written in batches: while one transaction runs the next ones gather, and of one session only the sum of them
// is kept. A pool of 500 edges that acknowledge one revision costs a few transactions. One that the database will never take is found by
// writing its batch one by one, and left out: it must not hold up those of every other edge.
import { setTimeout as sleep } from "node:timers/promises";
import { HellowayError } from "../errors.ts";
import { failureFields } from "../failure-fields.ts";
import type { Acknowledgement } from "../fleet/acknowledgements.ts";
import type { GrpcLog } from "./grpc-log.ts";

export interface AckWriter {
  write(ack: Acknowledgement): void;
  /** Writes until the signal, and then what is left. */
  run(signal: AbortSignal): Promise<void>;
}

const retryMs = 1_000;

export function createAckWriter(record: (acks: readonly Acknowledgement[]) => Promise<void>, log: GrpcLog): AckWriter {
  let waiting = new Map<string, Acknowledgement>();
  let wake = (): void => undefined;
  let failing = false;

  /** False: the database is away, and everything still waits. */
  const flush = async (): Promise<boolean> => {
    const batch = waiting;
    waiting = new Map();
    try {
      await recordAll([...batch.values()]);
      if (failing) log.info({}, "acknowledgements are written again");
      failing = false;
      return true;
    } catch (error) {
      if (!failing) {
        log.warn({ ...failureFields(error), edges: batch.size }, "acknowledgements cannot be written; trying again");
      }
      failing = true;
      // What came meanwhile is newer.
      const newer = waiting;
      waiting = batch;
      for (const ack of newer.values()) add(ack);
      return false;
    }
  };

  /** Throws only when the database is away; what was written by then may be written again. */
  const recordAll = async (batch: readonly Acknowledgement[]): Promise<void> => {
    try {
      await record(batch);
    } catch (error) {
      if (error instanceof HellowayError && error.kind === "unavailable") throw error;
      const [only] = batch;
      if (batch.length > 1) for (const ack of batch) await recordAll([ack]);
      else log.error({ err: error, edge: only?.edgeId }, "an acknowledgement cannot be written and is left out");
    }
  };

  const add = (ack: Acknowledgement): void => {
    const earlier = waiting.get(ack.edgeId);
    if (earlier !== undefined && earlier.session > ack.session) return;
    const sum =
      earlier === undefined || earlier.session !== ack.session
        ? ack
        : {
            ...ack,
            applied: ack.applied ?? earlier.applied,
            disk: ack.disk ?? earlier.disk,
            refusals: ack.refusals ?? earlier.refusals,
          };
    waiting.set(ack.edgeId, sum);
  };

  return {
    write(ack) {
      add(ack);
      wake();
    },
    async run(signal) {
      signal.addEventListener("abort", () => wake(), { once: true });
      while (!signal.aborted) {
        if (waiting.size === 0) {
          const { promise, resolve } = Promise.withResolvers<void>();
          wake = resolve;
          await promise;
        } else if (!(await flush())) {
          await sleep(retryMs, undefined, { signal }).catch(() => undefined);
        }
      }
      if (waiting.size > 0) await flush();
    },
  };
}
