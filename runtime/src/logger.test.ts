import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";

function lines(
  level: "info" | "warn",
  format: "json" | "pretty",
  write: (log: ReturnType<typeof createLogger>) => void,
): string {
  let text = "";
  write(createLogger({ level, format, name: "control", destination: { write: (line) => void (text += line) } }));
  return text;
}

test("a line says when, who and what, as JSON", () => {
  const line: unknown = JSON.parse(lines("info", "json", (log) => log.info({ edge: "e1" }, "connected")));
  expect(line).toMatchObject({
    level: 30,
    name: "control",
    edge: "e1",
    msg: "connected",
    time: expect.stringMatching(/^\d{4}-.*Z$/),
  });
});

test("says nothing below its level", () => {
  expect(lines("warn", "json", (log) => log.info("connected"))).toBe("");
});

test.each(["json", "pretty"] as const)("never shows a token, at any usual depth (%s)", (format) => {
  const text = lines("info", format, (log) =>
    log.info(
      {
        token: "hwt_secret",
        request: { headers: { authorization: "Bearer hwt_secret" } },
        join: { joinToken: "hwj_secret" },
      },
      "called",
    ),
  );
  expect(text).toContain("called");
  expect(text).not.toContain("secret");
});
