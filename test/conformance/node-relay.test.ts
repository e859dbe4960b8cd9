// The engine of the agent, through the suite that every engine must pass: with one worker and with four.
import { createRelay } from "./engine.ts";
import { describe } from "vitest";
import { defineAccess } from "./suite/access.ts";
import { defineBackendAddresses } from "./suite/backend-addresses.ts";
import { defineBalance } from "./suite/balance.ts";
import { defineCriteria } from "./suite/criteria.ts";
import { defineDialling } from "./suite/dialling.ts";
import { defineDiallingUpdates } from "./suite/dialling-updates.ts";
import { defineEnding } from "./suite/ending.ts";
import { defineForwarding } from "./suite/forwarding.ts";
import { defineHelloBounds } from "./suite/hello-bounds.ts";
import { defineKept } from "./suite/kept.ts";
import { defineLimits } from "./suite/limits.ts";
import { defineLimitsLater } from "./suite/limits-later.ts";
import { defineListeners } from "./suite/listeners.ts";
import { defineProxyIn } from "./suite/proxy-in.ts";
import { defineProxyOut } from "./suite/proxy-out.ts";
import { defineRefusals } from "./suite/refusals.ts";
import { defineTables } from "./suite/tables.ts";
import { defineTls } from "./suite/tls.ts";
import { defineUnreadResets } from "./suite/unread-resets.ts";
import { defineVectors } from "./suite/vectors.ts";

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

for (const workers of [1, 4]) {
  describe(`with ${workers === 1 ? "one worker" : `${workers} workers`}`, () => {
    for (const define of suite) define((options) => createRelay({ ...options, workers }));
  });
}
