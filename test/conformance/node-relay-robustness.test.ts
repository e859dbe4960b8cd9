// The part of the suite that is heavy.
import { describe } from "vitest";
import { createRelay } from "./engine.ts";
import { defineResets } from "./suite/resets.ts";
import { defineRobustness } from "./suite/robustness.ts";

for (const workers of [1, 4]) {
  describe(`with ${workers} worker(s)`, () => {
    for (const define of [defineResets, defineRobustness]) define((options) => createRelay({ ...options, workers }));
  });
}
