// The objects of a table as the bytes that edges keep and hash. The same content always gives the same bytes: fields go out in the
// order of their numbers, and map entries in the order they are put in here.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  AccessSchema,
  type AddressGrant,
  AddressGrantSchema,
  Balance,
  BarrierSchema,
  LimitMode,
  LimitsSchema,
  MatchSchema,
  OnReject,
  PoolSettingsSchema,
  ProxyProtocol,
  ProxyTlv,
  type Route,
  RouteSchema,
  TimeoutsSchema,
  WildcardDepth,
} from "@helloway/proto/table";
import { parseBackendAddress } from "@helloway/routing/address";
import { unescapeBytes } from "@helloway/routing/escaped-bytes";
import { routeFeatures } from "./route-features.ts";
import type {
  AccessSpec,
  AddressGrantSpec,
  BackendSpec,
  LimitsSpec,
  MatchSpec,
  PoolSpec,
  RouteBodySpec,
  RouteSpec,
  TimeoutsSpec,
} from "./specs.ts";

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

const balances = {
  leastConnections: Balance.LEAST_CONNECTIONS,
  random: Balance.RANDOM,
  sourceHash: Balance.SOURCE_HASH,
} as const;
const proxyProtocols = { v1: ProxyProtocol.V1, v2: ProxyProtocol.V2 } as const;
const proxyTlvs = {
  authority: ProxyTlv.AUTHORITY,
  alpn: ProxyTlv.ALPN,
  uniqueId: ProxyTlv.UNIQUE_ID,
  edge: ProxyTlv.EDGE,
} as const;
const limitModes = { enforce: LimitMode.ENFORCE, observe: LimitMode.OBSERVE } as const;
const tlsVersions = { "1.0": 0x0301, "1.1": 0x0302, "1.2": 0x0303, "1.3": 0x0304 } as const;

export function encodeRoute(route: { uid: string; team: string; name: string; spec: RouteSpec }): Uint8Array {
  const { uid, team, name, spec } = route;
  const depth = spec.wildcardDepth === "one" ? WildcardDepth.ONE : WildcardDepth.ANY;
  return toBinary(RouteSchema, {
    ...toRoute(uid, team, name, spec),
    hostnames: [...spec.hostnames],
    wildcardDepth: depth,
    onReject: spec.onReject === "drop" ? OnReject.DROP : OnReject.KEEP,
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

function toRoute(uid: string, team: string, name: string, body: RouteBodySpec & Pick<RouteSpec, "match">): Route {
  return create(RouteSchema, {
    uid,
    team,
    name,
    wildcardDepth: WildcardDepth.ANY,
    backends: body.backends.map(toBackend),
    timeouts: toTimeouts(body.timeouts),
    onReject: OnReject.KEEP,
    ...toPolicy(body),
  });
}

/** What holds by default is absent: a route that uses none of this has the bytes it had before there was any. */
function toPolicy(spec: RouteBodySpec & Pick<RouteSpec, "match">): MessageInitShape<typeof RouteSchema> {
  const { match, balance, proxyProtocol, limits, access } = spec;
  return {
    requires: routeFeatures(spec),
    ...(match === undefined ? {} : { match: toMatch(match) }),
    ...(balance === undefined ? {} : { balance: balances[balance] }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol: proxyProtocols[proxyProtocol] }),
    proxyTlvs: (spec.proxyTlvs ?? []).map((tlv) => proxyTlvs[tlv]),
    ...(limits === undefined ? {} : { limits: toLimits(limits) }),
    ...(access === undefined ? {} : { access: toAccess(access) }),
  };
}

function toMatch({ alpn, sourceCidrs, countries }: MatchSpec) {
  return create(MatchSchema, { alpn: alpn.map(toBytes), sourceCidrs, countries });
}

function toBytes(protocol: string): Uint8Array {
  const bytes = unescapeBytes(protocol);
  if (bytes === null) throw new Error(`A protocol was stored that cannot be read: ${protocol}`);
  return bytes;
}

function toLimits(spec: LimitsSpec) {
  const { connections, connectionsPerSource, newPerSecond, newPerSecondPerSource, bytesPerSecond } = spec;
  return create(LimitsSchema, {
    ...(connections === null ? {} : { connections }),
    ...(connectionsPerSource === null ? {} : { connectionsPerSource }),
    ...(newPerSecond === null ? {} : { newPerSecond }),
    ...(newPerSecondPerSource === null ? {} : { newPerSecondPerSource }),
    ...(bytesPerSecond === null ? {} : { bytesPerSecond: BigInt(bytesPerSecond) }),
    mode: limitModes[spec.mode],
  });
}

function toAccess({ allow, deny, allowCountries, denyCountries, minTlsVersion }: AccessSpec) {
  return create(AccessSchema, {
    allow,
    deny,
    allowCountries,
    denyCountries,
    ...(minTlsVersion === null ? {} : { minTlsVersion: tlsVersions[minTlsVersion] }),
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
