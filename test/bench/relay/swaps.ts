import { BroadcastChannel } from "node:worker_threads";
import type { Relay, TableObject } from "@helloway/edge/relay/relay";
import { routeObject } from "../../harness/table-objects.ts";
import { LOOP_CHANNEL, type LoopBusy } from "./loop-watch.ts";

/** What a relay's process can be asked for, one after the other. */
export type RelayQuestion =
  /** Makes objects of as many routes, for the swaps that follow. */
  | { do: "prepare"; routes: number }
  /** Serves them, as a table of its own or as a change of what is there, and what was there from the start. */
  | { do: "swap"; snapshot: boolean }
  /** Watches for some milliseconds in which nothing is swapped. */
  | { do: "rest"; ms: number };

export interface Swapped {
  /** Until all workers served it. */
  ms: number;
  /** Of the worker that was busy longest. */
  busy: LoopBusy;
}

/** Answers the questions; the process has been started with loop-watch.ts in every thread. */
export class Swaps {
  readonly #relay: Relay;
  readonly #always: readonly TableObject[];
  readonly #workers: number;
  #objects: readonly TableObject[] = [];

  /** @param always is in every table. */
  constructor(relay: Relay, always: readonly TableObject[], workers: number) {
    this.#relay = relay;
    this.#always = always;
    this.#workers = workers;
  }

  async answer(question: RelayQuestion): Promise<Swapped | undefined> {
    switch (question.do) {
      case "prepare":
        this.#objects = Array.from({ length: question.routes }, (_, index) =>
          routeObject(`route-${index}`, {
            hostnames: [`service-${index}.apps.example.net`],
            backends: [{ host: "127.0.0.1", port: 443 }],
          }),
        ).sort((a, b) => (a.id < b.id ? -1 : 1));
        return undefined;
      case "swap": {
        const { snapshot } = question;
        const objects = snapshot ? [...this.#always, ...this.#objects] : this.#objects;
        return await this.#watched(() => this.#relay.apply({ snapshot, objects, removals: [] }));
      }
      case "rest":
        return await this.#watched(() => new Promise((resolve) => setTimeout(resolve, question.ms)));
    }
  }

  async #watched(work: () => Promise<unknown>): Promise<Swapped> {
    await this.#everybody("begin");
    const started = performance.now();
    await work();
    const ms = performance.now() - started;
    const told = await this.#everybody("tell");
    const busy = told.reduce((worst, each) => (each.longestMs > worst.longestMs ? each : worst));
    return { ms, busy };
  }

  /** What every worker answers: they have all heard it then. */
  async #everybody(question: "begin" | "tell"): Promise<LoopBusy[]> {
    const channel = new BroadcastChannel(LOOP_CHANNEL);
    const told: LoopBusy[] = [];
    await new Promise<void>((resolve) => {
      channel.addEventListener("message", (event) => {
        if (told.push((event as MessageEvent).data as LoopBusy) === this.#workers) resolve();
      });
      channel.postMessage(question);
    });
    channel.close();
    return told;
  }
}
