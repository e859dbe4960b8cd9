import { expect, test } from "vitest";
import { createOpenSockets, forgetOpenSockets, OpenSockets } from "./open-sockets.ts";

test("is full by what all workers have together, and has room again for what is closed, or was a dead worker's", () => {
  const memory = createOpenSockets(2, 3);
  const [one, other] = [new OpenSockets(memory, 0), new OpenSockets(memory, 1)];
  one.add();
  other.add();
  expect([one.isFull, other.isFull]).toEqual([false, false]);
  other.add();
  expect([one.isFull, other.isFull]).toEqual([true, true]);
  one.remove();
  expect(other.isFull).toBe(false);
  one.add();
  expect(one.isFull).toBe(true);
  forgetOpenSockets(memory, 1);
  expect(one.isFull).toBe(false);
});

test("is never full without a bound", () => {
  const sockets = new OpenSockets(createOpenSockets(1, Infinity), 0);
  for (let i = 0; i < 100_000; i++) sockets.add();
  expect(sockets.isFull).toBe(false);
});
