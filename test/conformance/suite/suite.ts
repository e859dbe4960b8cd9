// What every engine must pass with any number of workers, all of it.
import { describe } from "vitest";
import { createRelay } from "../engine.ts";
import { defineAccess } from "./access.ts";
import { defineBackendAddresses } from "./backend-addresses.ts";
import { defineBalance } from "./balance.ts";
import { defineCriteria } from "./criteria.ts";
import { defineDialling } from "./dialling.ts";
import { defineDiallingUpdates } from "./dialling-updates.ts";
import { defineEnding } from "./ending.ts";
import { defineForwarding } from "./forwarding.ts";
import { defineHelloBounds } from "./hello-bounds.ts";
import { defineKept } from "./kept.ts";
import { defineLimits } from "./limits.ts";
import { defineLimitsLater } from "./limits-later.ts";
import { defineListeners } from "./listeners.ts";
import { defineProxyIn } from "./proxy-in.ts";
import { defineProxyOut } from "./proxy-out.ts";
import { defineRefusals } from "./refusals.ts";
import { defineTables } from "./tables.ts";
import { defineTls } from "./tls.ts";
import { defineUnreadResets } from "./unread-resets.ts";
import { defineVectors } from "./vectors.ts";

const suite = [
  defineVectors,
  defineHelloBounds,
  defineListeners,
  defineForwarding,
  defineTls,
  defineTables,
  defineKept,
  defineCriteria,
  defineAccess,
  defineLimits,
  defineLimitsLater,
  defineBalance,
  defineDialling,
  defineDiallingUpdates,
  defineBackendAddresses,
  defineProxyOut,
  defineProxyIn,
  defineRefusals,
  defineEnding,
  defineUnreadResets,
];

/** To be called once in a file: files run side by side. */
export function defineSuite(workers: number): void {
  describe(`with ${workers === 1 ? "one worker" : `${workers} workers`}`, () => {
    for (const define of suite) define((options) => createRelay({ ...options, workers }));
  });
}
