import { once } from "node:events";
import { helloFor } from "../hello.ts";
import type { Longest, Work } from "../work.ts";
import { answer, open, REQUEST } from "./request.ts";

type ProbeWork = Extract<Work, { do: "probe" }>;

/** Between two questions: what is asked without a pause takes a core of its own. */
const PAUSE_MS = 1;

/** Asks all the time and remembers the answer that took longest. */
export class Probe {
  #asking: Promise<number[]> | null = null;
  #isOver = false;

  start(work: ProbeWork): void {
    this.#isOver = false;
    this.#asking = Promise.all([this.#overKept(work), this.#overNew(work)]);
    // Whoever asks for the longest hears of it.
    this.#asking.catch(() => undefined);
  }

  async longest(): Promise<Longest> {
    this.#isOver = true;
    const [kept = Number.NaN, fresh = Number.NaN] = (await this.#asking) ?? [];
    return { kept, new: fresh };
  }

  async #overKept({ port, name }: ProbeWork): Promise<number> {
    const socket = open(port);
    socket.write(helloFor(name));
    await answer(socket);
    const longest = await this.#repeat(async () => {
      socket.write(REQUEST);
      await answer(socket);
    });
    socket.destroy();
    return longest;
  }

  async #overNew({ port, name }: ProbeWork): Promise<number> {
    return await this.#repeat(async () => {
      const socket = open(port);
      socket.write(helloFor(name));
      await answer(socket);
      socket.end();
      await once(socket, "close");
    });
  }

  async #repeat(work: () => Promise<void>): Promise<number> {
    let longest = 0;
    while (!this.#isOver) {
      const started = performance.now();
      await work();
      longest = Math.max(longest, performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    return longest;
  }
}
