import { settingsObject, defaultRoute } from "@helloway/test/harness/table-objects";
import { expect, test } from "vitest";
import { checkSettings } from "./check-settings.ts";

const ground = { ownSockets: [], geo: false };

test("says of both defaults that are not served why, and serves the rest", () => {
  const backends = [{ host: "10.0.0.1", port: 443 }];
  const defaults = { noSni: defaultRoute("@noSni", backends), unmatched: defaultRoute("@unmatched", backends) };
  const check = checkSettings(settingsObject(defaults).body, ground);
  expect(check).toMatchObject({
    kind: "served",
    settings: { noSni: null, unmatched: null },
    refusal: {
      code: "backend_not_allowed",
      detail: expect.stringMatching(/^noSni is not served\. .* unmatched is not/),
    },
  });
});

test.each([3, 32_769])("refuses a cap of %i bytes for the hello", (bytesMax) => {
  const check = checkSettings(settingsObject({ hello: { timeoutMs: 5_000, bytesMax } }).body, ground);
  expect(check).toMatchObject({ kind: "refused", refusal: { code: "bad_hello" } });
});
