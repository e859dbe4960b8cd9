import { expect, onTestFinished, test } from "vitest";
import type { Database, ListenHandlers } from "../db/database.ts";
import { createFeed } from "./feed.ts";

/** A database of which each reading does what is said, and whose LISTEN connection comes and goes as said. */
function startFeed() {
  const lines: { message: string; fields: object }[] = [];
  const add = (fields: object, message: string): void => void lines.push({ message, fields });
  const controller = new AbortController();
  const listening = Promise.withResolvers<ListenHandlers>();
  let readings = 0;
  let loss: Error | null = null;
  const select = () => ({
    from: () => ({
      innerJoin: () => ({
        where: async () => {
          readings++;
          if (loss !== null) throw loss;
          return [];
        },
      }),
    }),
  });
  const database = {
    db: { select } as never,
    listen: async (_: string, handlers: ListenHandlers, signal: AbortSignal) => {
      listening.resolve(handlers);
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
  } satisfies Pick<Database, "db" | "listen">;
  const feed = createFeed(database, { log: { info: add, warn: add }, pollMs: 5 });
  const running = feed.run(controller.signal);
  onTestFinished(async () => {
    controller.abort();
    await running;
  });
  return {
    feed,
    lines,
    handlers: listening.promise,
    readings: () => readings,
    fail: (error: Error | null) => void (loss = error),
  };
}

const away = (): Error => Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });

test("says once that pools cannot be read, without a stack, and that they are only when they were", async () => {
  const { feed, lines, readings, fail } = startFeed();
  fail(away());
  const unsubscribe = feed.subscribe("p", () => undefined);
  await expect.poll(readings).toBeGreaterThan(3);
  unsubscribe();
  fail(null);
  expect(lines.map(({ message }) => message)).toEqual(["pools cannot be read; trying again"]);
  expect(lines[0]?.fields).toEqual({ reason: expect.stringContaining("ECONNREFUSED") as string });
  feed.subscribe("p", () => undefined);
  await expect.poll(() => lines.at(-1)?.message).toBe("the database is read again");
  expect(lines).toHaveLength(2);
});

test("says once that notifications are lost, and once that they are back", async () => {
  const { lines, handlers } = startFeed();
  const { onLost, onConnected } = await handlers;
  onConnected();
  for (let attempt = 0; attempt < 5; attempt++) onLost(away());
  onConnected();
  expect(lines.map(({ message }) => message)).toEqual([
    "notifications are lost; pools are polled until they are back",
    "notifications are back",
  ]);
  expect(lines[0]?.fields).toHaveProperty("reason");
});
