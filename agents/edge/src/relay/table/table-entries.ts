// What a table knows of each object that it was offered.
import type { BarrierNames } from "@helloway/routing/name-table";
import type { RefusedObject, TableObject } from "../relay.ts";
import type { BarrierCheck } from "./check-barrier.ts";
import type { RouteCheck, RouteClaim, RouteTerms } from "./check-route.ts";
import type { Refusal } from "./refusal.ts";
import type { ServedRoute } from "./served-route.ts";

export interface RouteEntry {
  readonly offered: TableObject;
  readonly check: RouteCheck;
  /** The last version that was accepted: the offered one unless it is refused. */
  good: TableObject | null;
  /** Why it is not served as offered; null: it is. */
  refusal: Refusal | null;
  /** What good gives when it is not the offered one; undefined: not looked at yet. */
  goodRoute: ServedRoute | null | undefined;
  served: ServedRoute | null;
  /** What refused() says of it; null: to be made when it is asked for. */
  told: RefusedObject | null;
  /** Ids of the barriers that stand for what it does not serve. */
  barred: readonly string[];
}

export interface BarrierEntry {
  readonly offered: TableObject;
  readonly check: BarrierCheck;
  readonly good: TableObject | null;
  readonly served: BarrierNames | null;
}

export interface SettingsEntry {
  readonly offered: TableObject;
  readonly refusal: Refusal | null;
  readonly good: TableObject | null;
}

/** Under what a refused route may serve its last good version; null: it has none, or may not. */
export function keepsTerms({ check, good, offered }: RouteEntry): RouteTerms | null {
  if (!good || good === offered) return null;
  return check.kind === "refused" ? check.keep : check.route;
}

export function claimOf(check: RouteCheck): RouteClaim | null {
  return check.kind === "refused" ? check.claim : check.route;
}

/** In plain objects: it is going to be cloned for another thread. */
export function refusedObject(offered: TableObject, refusal: Refusal, kept: TableObject | null): RefusedObject {
  const { kind, id } = offered;
  const plain = kept && { kind: kept.kind, id: kept.id, body: kept.body, hash: kept.hash };
  return { kind, id, offeredHash: offered.hash, kept: plain, ...refusal };
}
