// Objects of a table as the control plane would send them, from the few fields that a test is about.
import { createHash } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  Balance,
  BarrierSchema,
  OnReject,
  PoolSettingsSchema,
  ProxyProtocol,
  RouteSchema,
  WildcardDepth,
} from "@helloway/proto/table";
import type { TableObject } from "@helloway/edge/relay/relay";

export type RouteFields = MessageInitShape<typeof RouteSchema>;

export interface SettingsFields {
  hello?: { timeoutMs: number; bytesMax: number };
  grants?: { default: { cidrs: string[]; ports: { from: number; to: number }[] } };
  noSni?: RouteFields;
  unmatched?: RouteFields;
  reservedSockets?: { address: string; port: number }[];
  fleetAddresses?: string[];
  requires?: string[];
}

export interface BackendFields {
  host: string;
  port: number;
  weight?: number;
  priority?: number;
}

export interface RouteOptions extends Omit<RouteFields, "$typeName" | "backends" | "timeouts"> {
  backends: readonly BackendFields[];
  timeouts?: {
    connectMs?: number;
    idleMs?: number;
    halfClosedMs?: number;
    writeStallMs?: number;
    maxDurationMs?: number;
  };
}

const timeouts = { connectMs: 10_000, idleMs: 600_000, halfClosedMs: 60_000, writeStallMs: 60_000 };

function routeFields(options: RouteOptions): RouteFields {
  return {
    wildcardDepth: WildcardDepth.ANY,
    onReject: OnReject.KEEP,
    team: "team",
    requires: requiredFeatures(options),
    ...options,
    backends: options.backends.map((each) => ({ weight: 1, priority: 0, ...each })),
    timeouts: { ...timeouts, ...options.timeouts },
  };
}

/** As table.proto says of each field. */
function requiredFeatures({ match, balance, proxyProtocol, limits, access }: RouteOptions): string[] {
  const features = {
    match: match !== undefined,
    balance: (balance ?? Balance.ROUND_ROBIN) > Balance.ROUND_ROBIN,
    proxyProtocol: (proxyProtocol ?? ProxyProtocol.NONE) > ProxyProtocol.NONE,
    limits: limits !== undefined,
    access: access !== undefined,
  };
  return Object.entries(features).flatMap(([feature, isUsed]) => (isUsed ? [feature] : []));
}

/** A route; its uid is made of its name. */
export function routeObject(name: string, options: RouteOptions): TableObject {
  const uid = routeUid(name);
  return tableObject("route", uid, toBinary(RouteSchema, create(RouteSchema, { uid, name, ...routeFields(options) })));
}

export function routeUid(name: string): string {
  const hex = createHash("sha256").update(name).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A default of the pool, for the settings. */
export function defaultRoute(
  uid: "@noSni" | "@unmatched",
  backends: readonly BackendFields[],
  more: Partial<RouteOptions> = {},
): RouteFields {
  return { ...routeFields({ ...more, backends }), uid, team: "" };
}

export function barrierObject(name: string, tree: boolean): TableObject {
  return tableObject("barrier", `barrier ${name}`, toBinary(BarrierSchema, create(BarrierSchema, { name, tree })));
}

/** Settings that grant loopback, any port. */
export function settingsObject(fields: SettingsFields = {}): TableObject {
  const loopback = { cidrs: ["127.0.0.0/8", "::1/128"], ports: [{ from: 1, to: 65_535 }] };
  const settings = { hello: { timeoutMs: 60_000, bytesMax: 32_768 }, grants: { default: loopback }, ...fields };
  return tableObject("settings", "settings", toBinary(PoolSettingsSchema, create(PoolSettingsSchema, settings)));
}

export function tableObject(kind: TableObject["kind"], id: string, body: Uint8Array): TableObject {
  return { kind, id, body, hash: createHash("sha256").update(body).digest() };
}
