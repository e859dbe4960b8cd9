import { type MessageInitShape, create } from "@bufbuild/protobuf";
import { ReportRequestSchema } from "@helloway/proto/edge";
import { expect, test } from "vitest";
import { readReport } from "./read-report.ts";

type Init = MessageInitShape<typeof ReportRequestSchema>;

const uid = "2f0c4a86-6d5e-4a59-9a50-0b4c3ef1d6a1";
const backend = { backend: "192.0.2.1:443", attempts: 1n, opened: 1n };
const good = {
  bootId: "0e9f7a53-6a52-4ad0-8c8e-94a8c5c2c6d3",
  sequence: 1n,
  startMs: 1_000n,
  endMs: 11_000n,
  accepted: 3n,
  routes: [
    { uid, opened: 2n, closed: { client_closed: 1n }, rxBytes: 5n, txBytes: 6n, overLimit: 4n, backends: [backend] },
  ],
} satisfies Init;
const read = (init: Omit<Init, "$typeName" | "$unknown">) =>
  readReport(create(ReportRequestSchema, { ...good, ...init }));
const withRoute = (route: object) => read({ routes: [{ uid, ...route }] });

test("a good report is read", () => {
  expect(read({})).toEqual({
    bootId: good.bootId,
    sequence: 1,
    start: new Date(1_000),
    end: new Date(11_000),
    lost: null,
    routes: [
      {
        uid,
        opened: 2,
        closed: [{ reason: "client_closed", count: 1 }],
        rxBytes: 5,
        txBytes: 6,
        overLimit: 4,
        backends: [
          { backend: "192.0.2.1:443", attempts: 1, failures: 0, opened: 1, closed: 0, rxBytes: 0, txBytes: 0 },
        ],
      },
    ],
  });
});

const huge = 2n ** 64n - 1n;

test.each([
  ["a boot id that is none", () => read({ bootId: "boot" })],
  ["sequence 0", () => read({ sequence: 0n })],
  ["an endless sequence", () => read({ sequence: huge })],
  ["an end before its start", () => read({ startMs: 2n, endMs: 1n })],
  ["more than an hour", () => read({ endMs: 3_700_000n })],
  ["a time that no calendar has", () => read({ startMs: huge, endMs: huge })],
  ["a uid that is none", () => withRoute({ uid: "'; drop table routes" })],
  ["a uid twice", () => read({ routes: [{ uid }, { uid }] })],
  ["an unknown close reason", () => withRoute({ closed: { bored: 1n } })],
  ["a close reason that objects have", () => withRoute({ closed: { constructor: 1n } })],
  ["too many connections", () => withRoute({ opened: huge })],
  ["too many over a limit", () => withRoute({ overLimit: huge })],
  ["too many bytes", () => withRoute({ rxBytes: huge })],
  ["too many closes", () => withRoute({ closed: { cut: huge } })],
  ["a backend twice", () => withRoute({ backends: [backend, backend] })],
  ["a backend that is none", () => withRoute({ backends: [{ backend: "anything" }] })],
  [
    "too many backends",
    () => withRoute({ backends: Array.from({ length: 257 }, (_, port) => ({ backend: `a:${port}` })) }),
  ],
] as const)("%s is refused", (_, attempt) => {
  expect(attempt).toThrow(expect.objectContaining({ code: "bad_report", kind: "malformed" }) as Error);
});

test("a loss is declared up to the report before", () => {
  expect(read({ sequence: 5n, lost: { from: 2n, to: 4n } }).lost).toEqual({ from: 2, to: 4 });
  for (const [from, to] of [
    [0n, 4n],
    [5n, 4n],
    [2n, 3n],
    [2n, 5n],
    [2n, 2n ** 64n - 1n],
  ] as const) {
    expect(() => read({ sequence: 5n, lost: { from, to } })).toThrow("lost");
  }
});
