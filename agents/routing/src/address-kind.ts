// What sort of address an address is, as far as the policy for backends asks. "public" is globally reachable unicast by the
// IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190) and the IPv6 address space registry.
import { type Address, type Cidr, cidrContains, parseCidr } from "./address.ts";
import { PrefixTable } from "./prefix-table.ts";

export type AddressKind = "never" | "loopback" | "link_local" | "public" | "not_public";

/** Services that hand out credentials to whoever can reach them; no grant makes one a backend. */
const metadataAddresses: readonly (readonly [cidr: string, what: string])[] = [
  ["169.254.169.254/32", "instance metadata of AWS, Azure, Google Cloud, OpenStack, Oracle Cloud and others"],
  ["169.254.170.2/32", "task credentials of Amazon ECS"],
  ["169.254.170.23/32", "pod credentials of Amazon EKS (Pod Identity agent)"],
  ["168.63.129.16/32", "the WireServer of Azure"],
  ["100.100.100.200/32", "instance metadata of Alibaba Cloud"],
  ["192.0.0.192/32", "instance metadata of Oracle Cloud Classic"],
  ["fd00:ec2::254/128", "instance metadata of AWS over IPv6"],
  ["fd00:ec2::23/128", "pod credentials of Amazon EKS over IPv6"],
  ["fd20:ce::254/128", "instance metadata of Google Cloud over IPv6"],
  ["fe80::a9fe:a9fe/128", "instance metadata of OpenStack over IPv6"],
];

const neverNetworks: readonly (readonly [cidr: string, what: string])[] = [
  ["0.0.0.0/8", "this host or network (RFC 791); connecting to it reaches loopback"],
  ["224.0.0.0/4", "multicast (RFC 5771)"],
  ["240.0.0.0/4", "reserved and broadcast (RFC 1112, RFC 919)"],
  ["::/128", "the unspecified address (RFC 4291); connecting to it reaches loopback"],
  ["ff00::/8", "multicast (RFC 4291)"],
  ...metadataAddresses,
];

const loopbackNetworks = ["127.0.0.0/8", "::1/128"];
const linkLocalNetworks = ["169.254.0.0/16", "fe80::/10"];

/** Everything else of the registries that is not globally reachable, and of IPv6 all that is not allocated for unicast. */
const notPublicNetworks: readonly (readonly [cidr: string, what: string])[] = [
  ["10.0.0.0/8", "private use (RFC 1918)"],
  ["100.64.0.0/10", "shared address space of carriers (RFC 6598)"],
  ["172.16.0.0/12", "private use (RFC 1918)"],
  ["192.0.0.0/24", "IETF protocol assignments (RFC 6890)"],
  ["192.0.2.0/24", "documentation (RFC 5737)"],
  ["192.88.99.0/24", "deprecated 6to4 relay anycast (RFC 7526)"],
  ["192.168.0.0/16", "private use (RFC 1918)"],
  ["198.18.0.0/15", "benchmarking (RFC 2544)"],
  ["198.51.100.0/24", "documentation (RFC 5737)"],
  ["203.0.113.0/24", "documentation (RFC 5737)"],
  ["::/0", "outside the global unicast space 2000::/3 (RFC 4291)"],
  ["100::/64", "discard only (RFC 6666)"],
  ["2001::/23", "IETF protocol assignments (RFC 2928)"],
  ["2001:db8::/32", "documentation (RFC 3849)"],
  ["2002::/16", "6to4 (RFC 3056)"],
  ["3fff::/20", "documentation (RFC 9637)"],
  ["5f00::/16", "segment routing identifiers (RFC 9602)"],
  ["fc00::/7", "unique local (RFC 4193)"],
  ["fec0::/10", "deprecated site-local (RFC 3879)"],
];

/** The space itself, and what inside the networks above is globally reachable after all. */
const publicNetworks = [
  "0.0.0.0/0",
  "192.0.0.9/32", // Port Control Protocol anycast (RFC 7723)
  "192.0.0.10/32", // TURN anycast (RFC 8155)
  "2000::/3",
  "2001:1::1/128", // Port Control Protocol anycast (RFC 7723)
  "2001:1::2/128", // TURN anycast (RFC 8155)
  "2001:1::3/128", // DNS-SD service registration anycast (RFC 9665)
  "2001:3::/32", // AMT (RFC 7450)
  "2001:4:112::/48", // AS112 (RFC 7535)
  "2001:20::/28", // ORCHIDv2 (RFC 7343)
  "2001:30::/28", // drone remote identification (RFC 9374)
];

function network(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === null) throw new TypeError(`Not a network: ${text}`);
  return cidr;
}

interface KindOfAddress {
  kind: AddressKind;
  /** What the address is, where that needs saying. */
  what: string;
}

function* entries(): Generator<readonly [Cidr, KindOfAddress]> {
  for (const text of publicNetworks) yield [network(text), { kind: "public", what: "public" }];
  for (const [text, what] of notPublicNetworks) yield [network(text), { kind: "not_public", what }];
  for (const text of loopbackNetworks) yield [network(text), { kind: "loopback", what: "loopback" }];
  for (const text of linkLocalNetworks) yield [network(text), { kind: "link_local", what: "link-local" }];
  for (const [text, what] of neverNetworks) yield [network(text), { kind: "never", what }];
}

const kinds = new PrefixTable(entries());
const everyNetwork = [...entries()];

/** The kind of the address as written: what it may carry inside is not looked at. */
export function addressKind(address: Pick<Address, "bytes">): KindOfAddress {
  return kinds.lookup(address) ?? { kind: "not_public", what: "unassigned" };
}

/** The kind that every address of a network has by the smallest network known that contains it whole. */
export function cidrKind(cidr: Cidr): KindOfAddress {
  let best: readonly [Cidr, KindOfAddress] | undefined;
  for (const entry of everyNetwork) {
    const [outer] = entry;
    if (outer.family !== cidr.family || outer.prefixLength > cidr.prefixLength) continue;
    if (!cidrContains(outer, cidr)) continue;
    if (best === undefined || outer.prefixLength >= best[0].prefixLength) best = entry;
  }
  return best?.[1] ?? { kind: "not_public", what: "unassigned" };
}
