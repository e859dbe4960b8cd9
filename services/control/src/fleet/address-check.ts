import { type Address, parseBackendAddress } from "@helloway/routing/address";
import { type AddressPolicyInput, compileAddressPolicy, policyProblems } from "@helloway/routing/address-policy";
import type { Problem } from "../errors.ts";
import type { FleetSockets } from "./encode-object.ts";
import type { BackendSpec, PoolSpec } from "./specs.ts";

/** Of the defaults of a pool: no team has this name, so the default grant judges. */
export const defaultsTeam = "";

function toPolicyInput({ addresses }: PoolSpec, sockets: FleetSockets): AddressPolicyInput {
  return {
    default: addresses.default,
    teams: new Map(Object.entries(addresses.teams)),
    nat64Prefixes: addresses.nat64,
    reservedSockets: sockets.reservedSockets,
    fleetAddresses: sockets.fleetAddresses,
  };
}

/** What is wrong with a pool's grants, pointed at in the pool's body. */
export function grantProblems(spec: PoolSpec): Problem[] {
  const input = toPolicyInput(spec, { reservedSockets: [], fleetAddresses: [] });
  return policyProblems(input).map(({ pointer, code, detail }) => ({
    pointer: `/spec/addresses${pointer.replace(/^\/nat64Prefixes/, "/nat64")}`,
    code,
    detail,
  }));
}

/**
 * Every backend whose address a pool does not let the team use. Only literal addresses are judged: what a name resolves to is the
 * edge's to check when it dials.
 * @param pointer of the list of backends in the body.
 */
export function backendProblems(
  backends: readonly BackendSpec[],
  options: { team: string; pool: PoolSpec; sockets: FleetSockets; pointer: string },
): Problem[] {
  const { team, pool, sockets, pointer } = options;
  const literals: { at: string; address: Address; port: number }[] = [];
  const problems: Problem[] = [];
  for (const [i, backend] of backends.entries()) {
    const at = `${pointer}/${i}/address`;
    const parsed = parseBackendAddress(backend.address);
    if (!parsed.ok) problems.push({ pointer: at, code: parsed.code, detail: parsed.detail });
    else if (parsed.address !== null) literals.push({ at, address: parsed.address, port: parsed.port });
  }
  if (literals.length === 0) return problems;
  const policy = compileAddressPolicy(toPolicyInput(pool, sockets));
  for (const { at, address, port } of literals) {
    const verdict = policy.check(team, address, port);
    if (!verdict.allowed) problems.push({ pointer: at, code: verdict.code, detail: verdict.detail });
  }
  return problems;
}
