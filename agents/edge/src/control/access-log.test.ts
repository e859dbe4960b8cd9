import { createLogStream } from "@helloway/runtime/logger";
import { expect, test } from "vitest";
import { accessLog } from "./access-log.ts";

const record = (sni: string) => ({ ts: "2026-01-01T00:00:00.000Z", edge: "e1", conn: "b-1-1", sni, alpn: [] });
const lines = (...names: string[]): string => names.map((sni) => `${JSON.stringify(record(sni))}\n`).join("");

function written(format: "json" | "pretty", ...batches: string[]): string[] {
  const writes: string[] = [];
  const write = accessLog(createLogStream({ format, destination: { write: (text) => void writes.push(text) } }));
  for (const batch of batches) write(batch);
  return writes;
}

test("a line of the access log is a line of the log, with everything that the engine has recorded", () => {
  const writes = written("json", lines("a.test", 'odd"}\n{name'), lines("b.test"));
  expect(writes.length).toBe(2);
  const all = writes.join("").trimEnd().split("\n");
  expect(all.map((line) => JSON.parse(line))).toEqual(
    ["a.test", 'odd"}\n{name', "b.test"].map((sni) => ({
      level: 30,
      name: "agent",
      msg: "connection closed",
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      ...record(sni),
    })),
  );
});

test("a terminal gets each line by itself", () => {
  const writes = written("pretty", lines("a.test", "b.test"));
  expect(writes.map((text) => /sni: .*([ab]\.test)/.exec(text)?.[1])).toEqual(["a.test", "b.test"]);
});
