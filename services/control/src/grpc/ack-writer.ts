// Acknowledgements are written in batches: while one transaction runs the next ones gather, and of one session only the sum of them
// is kept. A pool of 500 edges that acknowledge one revision costs a few transactions.
import { setTimeout as sleep } from "node:timers/promises";
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

  const flush = async (): Promise<boolean> => {
    const batch = waiting;
    waiting = new Map();
    try {
      await record([...batch.values()]);
      return true;
    } catch (error) {
      log.warn({ err: error, edges: batch.size }, "acknowledgements cannot be written; trying again");
      // What came meanwhile is newer.
      const newer = waiting;
      waiting = batch;
      for (const ack of newer.values()) add(ack);
      return false;
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
