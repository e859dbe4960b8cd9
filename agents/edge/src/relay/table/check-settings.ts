// Whether the engine can serve a pool's settings as offered. The address policy and the hello's limits hold or fall together;
// a default that cannot be served falls alone, so that a tightened policy is never held up by it.
import { fromBinary } from "@bufbuild/protobuf";
import { type PoolSettings, PoolSettingsSchema, type Route } from "@helloway/proto/table";
import {
  type AddressGrant,
  type AddressPolicy,
  type AddressPolicyInput,
  compileAddressPolicy,
  policyProblems,
  type ReservedSocket,
} from "@helloway/routing/address-policy";
import { checkDefaultRoute, type RouteGround } from "./check-route.ts";
import { missingFeature, type Refusal } from "./refusal.ts";
import type { ServedRoute } from "./served-route.ts";

export interface ServedSettings {
  readonly helloTimeoutMs: number;
  readonly helloBytesMax: number;
  readonly noSni: ServedRoute | null;
  readonly unmatched: ServedRoute | null;
  readonly policy: AddressPolicy;
}

export type SettingsCheck =
  /** refusal: of a default, which is then not served. */
  { kind: "served"; settings: ServedSettings; refusal: Refusal | null } | { kind: "refused"; refusal: Refusal };

/** No pool may ask for more. */
const HELLO_BYTES_MAX = 32_768;
/** A hello's type and length. */
const HELLO_BYTES_MIN = 4;

/** What settings are held against beside themselves. */
export interface SettingsGround {
  /** Sockets of this process that no backend may be, wildcards spelt out for every address of the host. */
  readonly ownSockets: readonly ReservedSocket[];
  /** Whether this edge has a country database. */
  readonly geo: boolean;
}

export function checkSettings(body: Uint8Array, { ownSockets, geo }: SettingsGround): SettingsCheck {
  let message: PoolSettings;
  try {
    message = fromBinary(PoolSettingsSchema, body);
  } catch (error) {
    return { kind: "refused", refusal: { code: "unreadable", detail: String(error) } };
  }
  const { hello } = message;
  const input = policyInput(message, ownSockets);
  const refusal = missingFeature(message.requires) ?? helloProblem(hello) ?? policyProblem(input);
  if (refusal) return { kind: "refused", refusal };
  const policy = compileAddressPolicy(input);
  const ground = { policy, geo };
  const noSni = checkDefault(message.noSni, "@noSni", ground);
  const unmatched = checkDefault(message.unmatched, "@unmatched", ground);
  const settings = {
    helloTimeoutMs: hello!.timeoutMs,
    helloBytesMax: hello!.bytesMax,
    noSni: noSni.route,
    unmatched: unmatched.route,
    policy,
  };
  return { kind: "served", settings, refusal: bothOf(noSni.refusal, unmatched.refusal) };
}

function bothOf(one: Refusal | null, other: Refusal | null): Refusal | null {
  if (one === null || other === null) return one ?? other;
  return { code: one.code, detail: `${one.detail} ${other.detail}` };
}

function checkDefault(
  route: Route | undefined,
  uid: string,
  ground: RouteGround,
): { route: ServedRoute | null; refusal: Refusal | null } {
  if (!route) return { route: null, refusal: null };
  const check = checkDefaultRoute(route, uid, ground);
  if (check.kind === "served") return { route: check.route, refusal: null };
  const { code, detail } = check.refusal;
  return { route: null, refusal: { code, detail: `${uid.slice(1)} is not served. ${detail}` } };
}

function helloProblem(hello: PoolSettings["hello"]): Refusal | null {
  if (!hello) return { code: "bad_hello", detail: "The settings have no limits for the hello." };
  if (hello.timeoutMs === 0) return { code: "bad_hello", detail: "hello.timeoutMs is 0." };
  if (hello.bytesMax < HELLO_BYTES_MIN || hello.bytesMax > HELLO_BYTES_MAX)
    return {
      code: "bad_hello",
      detail: `hello.bytesMax ${hello.bytesMax} is not from ${HELLO_BYTES_MIN} to ${HELLO_BYTES_MAX}.`,
    };
  return null;
}

function policyProblem(input: AddressPolicyInput): Refusal | null {
  const [problem] = policyProblems(input);
  return problem ? { code: problem.code, detail: `${problem.pointer}: ${problem.detail}` } : null;
}

function policyInput(message: PoolSettings, ownSockets: readonly ReservedSocket[]): AddressPolicyInput {
  // proto3 leaves out what is empty: an absent grant grants nothing.
  const nothing: AddressGrant = { cidrs: [], ports: [] };
  return {
    default: message.grants?.default ?? nothing,
    teams: new Map(Object.entries(message.grants?.teams ?? {})),
    nat64Prefixes: message.nat64Prefixes,
    reservedSockets: message.reservedSockets,
    fleetAddresses: message.fleetAddresses,
    ownSockets,
  };
}
