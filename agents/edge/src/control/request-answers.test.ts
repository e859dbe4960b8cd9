import { create } from "@bufbuild/protobuf";
import { type EdgeRequest, EdgeRequestSchema } from "@helloway/proto/edge";
import { expect, test } from "vitest";
import type { CutSelector } from "../relay/relay.ts";
import { RequestAnswers } from "./request-answers.ts";

const cutOf = (id: string, routeUid: string): EdgeRequest =>
  create(EdgeRequestSchema, { id, action: { case: "cut", value: { routeUid } } });

/** What is cut, in order; the n-th cut ends n connections. */
function engine(): { cut: (selector: CutSelector) => Promise<number>; cuts: CutSelector[] } {
  const cuts: CutSelector[] = [];
  return { cuts, cut: async (selector) => cuts.push(selector) };
}

test("an id that was answered is answered the same again, and not done twice", async () => {
  const relay = engine();
  const answers = new RequestAnswers(relay);
  expect(await answers.answer(cutOf("first", "route-1"))).toEqual({ id: "first", connections: 1n });
  expect(await answers.answer(cutOf("second", "route-1"))).toEqual({ id: "second", connections: 2n });
  expect(await answers.answer(cutOf("first", "route-1"))).toEqual({ id: "first", connections: 1n });
  expect(relay.cuts).toEqual([{ routeUid: "route-1" }, { routeUid: "route-1" }]);
});

test("an id that comes again while it is being done waits for the same answer", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  let cuts = 0;
  const answers = new RequestAnswers({
    cut: () => {
      cuts++;
      return promise;
    },
  });
  const both = [answers.answer(cutOf("one", "route-1")), answers.answer(cutOf("one", "route-1"))];
  resolve(7);
  expect(await Promise.all(both)).toEqual([
    { id: "one", connections: 7n },
    { id: "one", connections: 7n },
  ]);
  expect(cuts).toBe(1);
});

test("what fails is answered with why", async () => {
  const answers = new RequestAnswers({ cut: () => Promise.reject(new Error("the worker is gone")) });
  expect(await answers.answer(cutOf("one", "route-1"))).toEqual({ id: "one", error: "the worker is gone" });
});

test("a request that names no route, or nothing that this agent knows, cuts nothing", async () => {
  const relay = engine();
  const answers = new RequestAnswers(relay);
  expect(await answers.answer(cutOf("one", ""))).toMatchObject({ id: "one", error: expect.any(String) as string });
  const unknown = create(EdgeRequestSchema, { id: "two" });
  expect(await answers.answer(unknown)).toMatchObject({ id: "two", error: expect.any(String) as string });
  expect(relay.cuts).toEqual([]);
});

test("only so many answers are remembered, the newest", async () => {
  const relay = engine();
  const answers = new RequestAnswers(relay);
  for (let i = 0; i <= 10_000; i++) await answers.answer(cutOf(`id-${i}`, "route-1"));
  expect(relay.cuts).toHaveLength(10_001);
  await answers.answer(cutOf("id-10000", "route-1"));
  await answers.answer(cutOf("id-1", "route-1"));
  expect(relay.cuts).toHaveLength(10_001);
  await answers.answer(cutOf("id-0", "route-1"));
  expect(relay.cuts).toHaveLength(10_002);
});
