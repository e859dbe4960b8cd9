// The objects of a table as the bytes that edges keep and hash. The same content always gives the same bytes: fields go out in the
// order of their numbers, and map entries in the order they are put in here.
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type AddressGrant,
  AddressGrantSchema,
  BarrierSchema,
  OnReject,
  PoolSettingsSchema,
  type Route,
  RouteSchema,
  TimeoutsSchema,
  WildcardDepth,
} from "@helloway/proto/table";
import { parseBackendAddress } from "@helloway/routing/address";
import type { AddressGrantSpec, BackendSpec, PoolSpec, RouteBodySpec, RouteSpec, TimeoutsSpec } from "./specs.ts";

/** Kinds of table objects: ObjectKind of edge.proto. */
export const objectKinds = { route: 1, barrier: 2, settings: 3 } as const;
export type ObjectKind = (typeof objectKinds)[keyof typeof objectKinds];

/** Why an object leaves a table: RemovalCause of edge.proto. */
export const removalCauses = { delete: 1, consequence: 6 } as const;
export type RemovalCause = (typeof removalCauses)[keyof typeof removalCauses];

/** The id of the one settings object of a table. */
export const settingsId = "settings";

export interface FleetSockets {
  /** Sockets no backend may be. */
  reservedSockets: readonly { address: string; port: number }[];
  /** Public addresses of the fleet. */
  fleetAddresses: readonly string[];
}

export function encodeRoute(route: { uid: string; team: string; name: string; spec: RouteSpec }): Uint8Array {
  const { uid, team, name, spec } = route;
  const depth = spec.wildcardDepth === "one" ? WildcardDepth.ONE : WildcardDepth.ANY;
  return toBinary(RouteSchema, {
    ...toRoute(uid, team, name, spec),
    hostnames: [...spec.hostnames],
    wildcardDepth: depth,
  });
}

export function encodeBarrier(barrier: { name: string; tree: boolean }): Uint8Array {
  return toBinary(BarrierSchema, create(BarrierSchema, barrier));
}

/** @param sockets sorted, so that their order in the database does not matter. */
export function encodeSettings(spec: PoolSpec, sockets: FleetSockets): Uint8Array {
  const { addresses, hello, noSni, unmatched } = spec;
  const teams = Object.entries(addresses.teams).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return toBinary(
    PoolSettingsSchema,
    create(PoolSettingsSchema, {
      hello,
      ...(noSni === null ? {} : { noSni: toRoute("@noSni", "", "@noSni", noSni) }),
      ...(unmatched === null ? {} : { unmatched: toRoute("@unmatched", "", "@unmatched", unmatched) }),
      grants: {
        default: toGrant(addresses.default),
        teams: Object.fromEntries(teams.map(([team, grant]) => [team, toGrant(grant)])),
      },
      nat64Prefixes: addresses.nat64,
      reservedSockets: [...sockets.reservedSockets],
      fleetAddresses: [...sockets.fleetAddresses],
    }),
  );
}

function toRoute(uid: string, team: string, name: string, body: RouteBodySpec): Route {
  return create(RouteSchema, {
    uid,
    team,
    name,
    wildcardDepth: WildcardDepth.ANY,
    backends: body.backends.map(toBackend),
    timeouts: toTimeouts(body.timeouts),
    onReject: OnReject.KEEP,
  });
}

function toBackend({ address, weight, priority }: BackendSpec) {
  const parsed = parseBackendAddress(address);
  if (!parsed.ok) throw new Error(`A backend was stored that cannot be read: ${address}`);
  return { host: parsed.host, port: parsed.port, weight, priority };
}

function toTimeouts({ maxDurationMs, ...timeouts }: TimeoutsSpec) {
  return create(TimeoutsSchema, { ...timeouts, ...(maxDurationMs === null ? {} : { maxDurationMs }) });
}

function toGrant({ cidrs, ports }: AddressGrantSpec): AddressGrant {
  return create(AddressGrantSchema, { cidrs, ports });
}
