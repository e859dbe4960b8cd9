import { LimitMode, type Limits } from "@helloway/proto/table";
import { type Checked, refused, served } from "./refusal.ts";
import type { RouteLimits } from "./served-route.ts";

/** The limits of a route; null: none. */
export function checkLimits(limits: Limits | undefined): Checked<RouteLimits | null> {
  if (!limits) return served(null);
  const { connections, connectionsPerSource, newPerSecond, newPerSecondPerSource, mode } = limits;
  const bytesPerSecond = limits.bytesPerSecond === undefined ? undefined : Number(limits.bytesPerSecond);
  const given = { connections, connectionsPerSource, newPerSecond, newPerSecondPerSource, bytesPerSecond };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (value === 0) return refused("bad_limits", `limits.${name} is 0.`);
    if (!Number.isSafeInteger(value)) return refused("bad_limits", `limits.${name} is too large.`);
  }
  if (mode !== LimitMode.ENFORCE && mode !== LimitMode.OBSERVE)
    return refused("unknown_value", `limits.mode ${mode} is unknown.`);
  if (Object.values(given).every((value) => value === undefined)) return served(null);
  return served({
    connections: connections ?? null,
    connectionsPerSource: connectionsPerSource ?? null,
    newPerSecond: newPerSecond ?? null,
    newPerSecondPerSource: newPerSecondPerSource ?? null,
    bytesPerSecond: bytesPerSecond ?? null,
    enforce: mode === LimitMode.ENFORCE,
  });
}
