import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import type { Api } from "./api-client.ts";
import { demoTeam } from "./ensure-demo.ts";

/** Long enough for a slow machine; after it something is wrong that waiting does not mend. */
const timeoutMs = 20_000;
const pollMs = 40;

const routeStatus = z.object({ status: z.object({ state: z.string() }) });

/** Waits until the route is live. Its state when it will not be: refused by the edge, or nothing happened for 20 s. */
export async function waitUntilLive(api: Api, route: string, signal: AbortSignal): Promise<string> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const { body } = await api("GET", `/teams/${demoTeam}/routes/${route}`);
    const { state } = routeStatus.parse(body).status;
    if (state !== "pending" || Date.now() > deadline) return state;
    await setTimeout(pollMs, undefined, { signal });
  }
}
