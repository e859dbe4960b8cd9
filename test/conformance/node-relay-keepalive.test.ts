// A file of its own: it takes a minute, in which it does nothing.
import { createRelay } from "./engine.ts";
import { defineKeepAlive } from "./suite/keepalive.ts";

defineKeepAlive((options) => createRelay({ ...options, workers: 2 }));
