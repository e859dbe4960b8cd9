import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { parseJoinToken } from "./join-token.ts";

test("reads the pin of a join token", () => {
  const pin = randomBytes(32);
  const text = `hwj_${randomBytes(32).toString("base64url")}.${pin.toString("base64url")}`;
  expect(parseJoinToken(`${text}\n`)).toEqual({ token: text, pin: new Uint8Array(pin) });
});

test.each([
  "",
  "hwj_",
  "hwt_abc",
  `hwj_${"a".repeat(43)}`,
  `hwj_${"a".repeat(43)}.${"b".repeat(42)}`,
  `hwj_${"a".repeat(43)}.${"+".repeat(43)}`,
])("%j is no join token", (text) => {
  expect(parseJoinToken(text)).toBeNull();
});
