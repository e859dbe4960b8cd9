import { expect, test } from "vitest";
import { runTogether } from "./run-together.ts";

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

test("resolves when the signal has ended all", async () => {
  const controller = new AbortController();
  const ended: string[] = [];
  const task = (name: string) => ({
    name,
    run: async (signal: AbortSignal) => {
      await untilAborted(signal);
      ended.push(name);
    },
  });
  const running = runTogether([task("a"), task("b")], controller.signal);
  controller.abort();
  await running;
  expect(ended.toSorted()).toEqual(["a", "b"]);
});

test("the first to fail ends the others, and the reason is its", async () => {
  let isEnded = false;
  const other = async (signal: AbortSignal) => {
    await untilAborted(signal);
    isEnded = true;
    throw new Error("only because all ends");
  };
  const failing = () => Promise.reject(new Error("no more file descriptors"));
  const running = runTogether(
    [
      { name: "the other", run: other },
      { name: "the feed", run: failing },
    ],
    new AbortController().signal,
  );
  await expect(running).rejects.toThrow("the feed ended unexpectedly: no more file descriptors");
  expect(isEnded).toBe(true);
});

test("one that ends by itself is a failure too", async () => {
  const running = runTogether([{ name: "the feed", run: async () => undefined }], new AbortController().signal);
  await expect(running).rejects.toThrow("the feed ended unexpectedly");
});
