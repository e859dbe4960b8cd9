import { expect, test } from "vitest";
import { MAIN_THREAD, WorkerLock } from "./worker-lock.ts";

function setUp(): WorkerLock[] {
  const words = new Int32Array(new SharedArrayBuffer(4));
  return [0, 1, MAIN_THREAD].map((worker) => new WorkerLock(words, 0, worker));
}

test("is held by one at a time", () => {
  const [one, two] = setUp() as [WorkerLock, WorkerLock];
  one.acquire();
  expect(two.tryAcquire()).toBe(false);
  one.release();
  expect(two.tryAcquire()).toBe(true);
});

test("is taken from the worker that died with it, and from no other", () => {
  const [one, two, main] = setUp() as [WorkerLock, WorkerLock, WorkerLock];
  one.acquire();
  expect(main.takeFrom(1)).toBe(false);
  expect(main.takeFrom(0)).toBe(true);
  expect(two.tryAcquire()).toBe(false);
  main.release();
  expect(main.takeFrom(0)).toBe(false);
  expect(two.tryAcquire()).toBe(true);
});
