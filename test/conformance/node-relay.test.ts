// The engine that runs in the agent's own process, through the suite that every engine must pass.
import { createRelay } from "@helloway/edge/relay/create-relay";
import { defineVectors } from "./suite/vectors.ts";

const suite = [defineVectors];

for (const define of suite) define(createRelay);
