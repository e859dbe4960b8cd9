// A file of its own: it takes a minute, in which it does nothing.
import { describe } from "vitest";
import { createRelay } from "./engine.ts";
import { defineKeepAlive } from "./suite/keepalive.ts";

describe.concurrent.each([1, 4])("with %i worker(s)", (workers) => {
  defineKeepAlive((options) => createRelay({ ...options, workers }));
});
