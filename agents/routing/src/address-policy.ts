// Which addresses a team's routes may have as backends. Backends are untrusted input: without this, a route would make every
// edge a way into the networks it stands in.
//
// In this order, for the address and for every IPv4 address it may carry: never, whatever is granted (address-kind.ts); the
// sockets of the installation itself; the fleet's public addresses; then the team's grant. Loopback and link-local are granted
// only by a network that lies inside them, never by one that merely contains them (0.0.0.0/0).
import { addressKind, cidrKind } from "./address-kind.ts";
import { type Address, addressOf, type Cidr, cidrContains, parseAddress, parseCidr } from "./address.ts";
import { embeddedIpv4, nat64PrefixLengths } from "./embedded-address.ts";
import { PrefixTable } from "./prefix-table.ts";

export interface PortRange {
  from: number;
  to: number;
}

export interface AddressGrant {
  /** CIDRs, or "public". */
  cidrs: readonly string[];
  ports: readonly PortRange[];
}

export interface ReservedSocket {
  /** An IP address; 0.0.0.0 or ::: every loopback address and every fleet address. */
  address: string;
  port: number;
}

export interface AddressPolicyInput {
  default: AddressGrant;
  /** By team; a team listed here has this grant instead of the default. */
  teams: ReadonlyMap<string, AddressGrant>;
  /** Further prefixes of RFC 6052 to unwrap. */
  nat64Prefixes: readonly string[];
  reservedSockets: readonly ReservedSocket[];
  /** Public addresses of the fleet; loopback among them is ignored. */
  fleetAddresses: readonly string[];
  /** Further sockets of the process that asks. */
  ownSockets?: readonly ReservedSocket[];
}

export interface AddressPolicyProblem {
  /** RFC 6901, into the input. */
  pointer: string;
  code:
    | "bad_cidr"
    | "never_allowed"
    | "embedded_form"
    | "bad_port_range"
    | "bad_nat64_prefix"
    | "bad_address"
    | "bad_port";
  detail: string;
}

export type AddressDenial =
  | "address_never_allowed"
  | "address_reserved"
  | "fleet_address"
  | "address_not_granted"
  | "port_not_granted";

export type AddressVerdict = { allowed: true } | { allowed: false; code: AddressDenial; detail: string };

export interface AddressPolicy {
  /** Whether a route of the team may have this backend. @param address as it will be dialled. */
  check(team: string, address: Address, port: number): AddressVerdict;
}

const allowed: AddressVerdict = { allowed: true };

/** Everything that keeps the input from being compiled. */
export function policyProblems(input: AddressPolicyInput): AddressPolicyProblem[] {
  const problems = grantProblems(input.default, "/default");
  for (const [team, grant] of input.teams) problems.push(...grantProblems(grant, `/teams/${escapePointer(team)}`));
  for (const [i, text] of input.nat64Prefixes.entries()) {
    if (isNat64Prefix(parseCidr(text))) continue;
    const detail = `${JSON.stringify(text)} is no IPv6 prefix of a length of RFC 6052: ${nat64PrefixLengths.join(", ")}.`;
    problems.push({ pointer: `/nat64Prefixes/${i}`, code: "bad_nat64_prefix", detail });
  }
  for (const [i, text] of input.fleetAddresses.entries()) {
    if (parseAddress(text) === null) problems.push(badAddress(`/fleetAddresses/${i}`, text));
  }
  for (const key of ["reservedSockets", "ownSockets"] as const) {
    for (const [i, socket] of (input[key] ?? []).entries()) {
      if (parseAddress(socket.address) === null) problems.push(badAddress(`/${key}/${i}/address`, socket.address));
      if (!isPort(socket.port)) {
        problems.push({
          pointer: `/${key}/${i}/port`,
          code: "bad_port",
          detail: `${socket.port} is no port from 1 to 65535.`,
        });
      }
    }
  }
  return problems;
}

function grantProblems(grant: AddressGrant, pointer: string): AddressPolicyProblem[] {
  const problems: AddressPolicyProblem[] = [];
  for (const [i, text] of grant.cidrs.entries()) {
    if (text === "public") continue;
    const cidr = parseCidr(text);
    const at = `${pointer}/cidrs/${i}`;
    if (cidr === null) {
      const detail = `${JSON.stringify(text)} is neither "public" nor a network such as 10.1.0.0/16 or 2001:db8::/32.`;
      problems.push({ pointer: at, code: "bad_cidr", detail });
      continue;
    }
    const { kind, what } = cidrKind(cidr);
    if (kind === "never") {
      problems.push({ pointer: at, code: "never_allowed", detail: `${text} is never a backend: ${what}.` });
    } else if (
      embeddedNetworks.some((outer) => cidr.prefixLength >= outer.prefixLength && cidrContains(outer, cidr)) &&
      kind !== "loopback"
    ) {
      const detail = `${text} only holds addresses that carry an IPv4 address, and that one is judged: grant the IPv4 network.`;
      problems.push({ pointer: at, code: "embedded_form", detail });
    }
  }
  for (const [i, range] of grant.ports.entries()) {
    if (isPort(range.from) && isPort(range.to) && range.from <= range.to) continue;
    const detail = "A range of ports goes from a port to the same or a higher one, from 1 to 65535.";
    problems.push({ pointer: `${pointer}/ports/${i}`, code: "bad_port_range", detail });
  }
  return problems;
}

/** Networks of which every address carries an IPv4 address. */
const embeddedNetworks = [
  "::/96",
  "::ffff:0:0/96",
  "::ffff:0:0:0/96",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "2002::/16",
  "2001::/32",
].map((text) => parseCidr(text)!);

function isNat64Prefix(cidr: Cidr | null): cidr is Cidr {
  return cidr !== null && cidr.family === 6 && nat64PrefixLengths.includes(cidr.prefixLength);
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function badAddress(pointer: string, text: string): AddressPolicyProblem {
  return { pointer, code: "bad_address", detail: `${JSON.stringify(text)} is no IP address.` };
}

function escapePointer(token: string): string {
  return token.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** @throws TypeError when policyProblems(input) is not empty: a policy with holes must not come to be. */
export function compileAddressPolicy(input: AddressPolicyInput): AddressPolicy {
  const [problem] = policyProblems(input);
  if (problem) throw new TypeError(`Address policy, ${problem.pointer}: ${problem.detail}`);
  const nat64 = input.nat64Prefixes.map((text) => parseCidr(text)!);
  const readings = (address: Address): Reading[] => readingsOf(address, nat64);
  const defaultGrant = compileGrant(input.default);
  const grants = new Map([...input.teams].map(([team, grant]) => [team, compileGrant(grant)]));
  const reserved = compileReserved(
    [...input.reservedSockets, ...(input.ownSockets ?? [])],
    input.fleetAddresses,
    readings,
  );

  return {
    check(team, address, port) {
      const all = readings(address);
      const denial = all.map((each) => never(each) ?? reserved(each, port)).find((each) => each !== null);
      if (denial) return denial;
      const grant = grants.get(team) ?? defaultGrant;
      const ungranted = all.find((each) => each.counts && !grant.covers(each.address));
      if (ungranted) {
        const detail = `${ungranted.text} (${ungranted.what}) is in no network granted to the team.`;
        return { allowed: false, code: "address_not_granted", detail };
      }
      if (grant.coversPort(port)) return allowed;
      return {
        allowed: false,
        code: "port_not_granted",
        detail: `Port ${port} is not among the ports granted to the team.`,
      };
    },
  };
}

/** One address that a connection to the dialled one may end at. */
interface Reading {
  address: Address;
  /** For messages: the address, and what it was unwrapped from. */
  text: string;
  kind: ReturnType<typeof addressKind>["kind"];
  what: string;
  /** Whether the grant must cover it; false for a mere carrier of the others. */
  counts: boolean;
}

function readingsOf(address: Address, nat64: readonly Cidr[]): Reading[] {
  const embedded = embeddedIpv4(address.bytes, nat64);
  const outer = {
    address,
    text: address.text,
    ...addressKind(address),
    counts: embedded === null || embedded.alsoItself,
  };
  if (embedded === null) return [outer];
  const inner = embedded.readings.map((bytes) => {
    const each = addressOf(bytes);
    return {
      address: each,
      text: `${each.text} in ${address.text}, ${embedded.form}`,
      ...addressKind(each),
      counts: true,
    };
  });
  return [outer, ...inner];
}

function never(reading: Reading): AddressVerdict | null {
  if (reading.kind !== "never") return null;
  return {
    allowed: false,
    code: "address_never_allowed",
    detail: `${reading.text} is never a backend: ${reading.what}.`,
  };
}

interface CompiledGrant {
  covers(address: Address): boolean;
  coversPort(port: number): boolean;
}

function compileGrant(grant: AddressGrant): CompiledGrant {
  const isPublic = grant.cidrs.includes("public");
  const cidrs = grant.cidrs.filter((text) => text !== "public").map((text) => parseCidr(text)!);
  // The value: the kind that the whole granted network has. The longest prefix is the most explicit grant.
  const networks = new PrefixTable(cidrs.map((cidr) => [cidr, cidrKind(cidr).kind] as const));
  return {
    covers(address) {
      const { kind } = addressKind(address);
      const granted = networks.lookup(address);
      if (kind === "loopback" || kind === "link_local") return granted === kind;
      return granted !== undefined || (isPublic && kind === "public");
    },
    coversPort: (port) => grant.ports.some((range) => port >= range.from && port <= range.to),
  };
}

function compileReserved(
  sockets: readonly ReservedSocket[],
  fleetAddresses: readonly string[],
  readings: (address: Address) => Reading[],
): (reading: Reading, port: number) => AddressVerdict | null {
  const fleet = new Set<string>();
  for (const text of fleetAddresses) {
    for (const { address, kind, counts } of readings(parseAddress(text)!)) {
      if (counts && kind !== "loopback" && kind !== "never") fleet.add(address.text);
    }
  }
  const exact = new Set<string>();
  const everywhere = new Set<number>();
  for (const socket of sockets) {
    for (const { address, counts } of readings(parseAddress(socket.address)!)) {
      if (!counts) continue;
      if (address.bytes.every((byte) => byte === 0)) everywhere.add(socket.port);
      else exact.add(`${address.text} ${socket.port}`);
    }
  }
  return ({ address, kind, text }, port) => {
    const local = kind === "loopback" || fleet.has(address.text);
    if (exact.has(`${address.text} ${port}`) || (local && everywhere.has(port))) {
      const detail = `${text} port ${port} is a socket of this installation: a backend there would lead back into it.`;
      return { allowed: false, code: "address_reserved", detail };
    }
    if (!fleet.has(address.text)) return null;
    return {
      allowed: false,
      code: "fleet_address",
      detail: `${text} is an address of an edge: a route there could loop.`,
    };
  };
}
