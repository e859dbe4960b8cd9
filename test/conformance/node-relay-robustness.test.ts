// The part of the suite that is heavy: once, with two workers.
import { createRelay } from "./engine.ts";
import { defineResets } from "./suite/resets.ts";
import { defineRobustness } from "./suite/robustness.ts";

for (const define of [defineResets, defineRobustness]) define((options) => createRelay({ ...options, workers: 2 }));
