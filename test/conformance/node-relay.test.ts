// The engine that runs in the agent's own process, through the suite that every engine must pass.
import { createRelay } from "@helloway/edge/relay/create-relay";
import { defineDialling } from "./suite/dialling.ts";
import { defineEnding } from "./suite/ending.ts";
import { defineForwarding } from "./suite/forwarding.ts";
import { defineRefusals } from "./suite/refusals.ts";
import { defineTables } from "./suite/tables.ts";
import { defineTls } from "./suite/tls.ts";
import { defineVectors } from "./suite/vectors.ts";

const suite = [defineVectors, defineForwarding, defineTls, defineTables, defineDialling, defineRefusals, defineEnding];

for (const define of suite) define(createRelay);
