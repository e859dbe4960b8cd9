import { expect, test } from "vitest";
import { createUpstreams, forgetUpstreams, UpstreamSockets } from "./upstream-sockets.ts";

const hello = Buffer.alloc(100, 7);
const here = { address: "127.0.0.1", port: 443 };

/** Two workers of one edge. */
function workers(): [UpstreamSockets, UpstreamSockets, () => void] {
  const memory = createUpstreams();
  return [new UpstreamSockets(memory, 0), new UpstreamSockets(memory, 1), () => forgetUpstreams(memory, 0)];
}

const judge = (upstreams: UpstreamSockets, port: number, local = here) =>
  upstreams.judge("127.0.0.1", port, () => local.address, local.port);

test("recognises a connection that comes straight back to a listener of ours, whichever worker accepts it", () => {
  const [one, two] = workers();
  one.add("127.0.0.1", 40_000, here.address, here.port);
  expect(judge(one, 40_000)).toEqual({ kind: "loop" });
  expect(judge(two, 40_000)).toEqual({ kind: "loop" });
  expect(judge(two, 40_001)).toEqual({ kind: "other" });
});

test("recognises one that was dialled by a v4-mapped address", () => {
  const [one, two] = workers();
  one.add("::ffff:127.0.0.1", 40_000, "::ffff:127.0.0.1", here.port);
  expect(judge(two, 40_000)).toEqual({ kind: "loop" });
});

test("recognises one that came back by a translated address by what it says", () => {
  const [one, two] = workers();
  const slot = one.add("127.0.0.1", 40_000, "203.0.113.7", 443);
  const judged = judge(two, 40_000);
  if (judged.kind !== "suspect") throw new Error(judged.kind);
  expect(judged.isEcho(hello)).toBe(false);
  one.said(slot, hello);
  expect(judged.isEcho(Buffer.concat([hello, Buffer.from("more")]))).toBe(true);
  expect(judged.isEcho(Buffer.alloc(100, 8))).toBe(false);
  expect(judged.isEcho(hello.subarray(0, 42))).toBe(false);
});

test("does not take a client that says the same for a socket that was already answered, or is closed", () => {
  const [one, two] = workers();
  const slot = one.add("127.0.0.1", 40_000, "203.0.113.7", 443);
  one.said(slot, hello);
  const judged = judge(two, 40_000);
  if (judged.kind !== "suspect") throw new Error(judged.kind);
  one.answered(slot);
  expect(judged.isEcho(hello)).toBe(false);
  one.remove(slot);
  expect(judge(two, 40_000)).toEqual({ kind: "other" });
});

test("forgets the sockets of a worker that died, and no others", () => {
  const [one, two, forgetOne] = workers();
  one.add("127.0.0.1", 40_000, here.address, here.port);
  two.add("127.0.0.1", 40_001, here.address, here.port);
  forgetOne();
  expect(judge(two, 40_000)).toEqual({ kind: "other" });
  expect(judge(two, 40_001)).toEqual({ kind: "loop" });
});

test("goes without when it is full, and has room again for each that is closed", () => {
  const [one] = workers();
  const slots: number[] = [];
  for (let port = 0; port < 65_536; port++) slots.push(one.add("127.0.0.1", port, here.address, here.port));
  const taken = slots.filter((slot) => slot !== -1);
  expect(new Set(taken).size).toBe(taken.length);
  expect(taken.length).toBeGreaterThan(30_000);
  for (const slot of slots) one.remove(slot);
  expect(one.add("127.0.0.1", 1, here.address, here.port)).not.toBe(-1);
});
