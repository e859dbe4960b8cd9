import type { Hello, Refusal, Version } from "@helloway/proto/edge";
import type { Socket } from "@helloway/proto/table";
import { type Address, parseAddress, unwrapAddress } from "@helloway/routing/address";
import type { EdgeRefusal } from "../fleet/acknowledgements.ts";
import type { EdgeDescription } from "../fleet/session.ts";
import type { TableVersion } from "../fleet/table-version.ts";
import { boundedCount, boundedList, boundedText, boundedUuid, bytesOf, refuse } from "./bounds.ts";

export interface EdgeHello {
  description: EdgeDescription;
  bootId: string;
  have: { version: TableVersion; digest: Uint8Array } | null;
  refusals: EdgeRefusal[];
}

const code = "bad_hello";
const listenersMax = 64;
const addressesMax = 64;
const featuresMax = 256;
/** The rest is left out: the objects are refused all the same, and an answer of the API never lists so many. */
const refusalsMax = 10_000;
const versionMax = Number.MAX_SAFE_INTEGER;

/** An agent's Hello, checked. Throws malformed/bad_hello. */
export function readHello(hello: Hello): EdgeHello {
  const listeners = boundedList(hello.listeners, listenersMax, code, "listeners");
  const features = boundedList(hello.features, featuresMax, code, "features");
  return {
    bootId: boundedUuid(hello.bootId, code, "boot_id"),
    have:
      hello.have === undefined
        ? null
        : { version: readVersion(hello.have, code), digest: bytesOf(hello.digest, 32, code, "digest") },
    refusals: readRefusals(hello.refusals, code),
    description: {
      agentVersion: boundedText(hello.agentVersion, 64, code, "agent_version"),
      features: features.map((feature) => boundedText(feature, 64, code, "features")),
      listeners: listeners.map((socket) => readSocket(socket, "listeners")),
      admin: hello.admin === undefined ? null : readSocket(hello.admin, "admin"),
      addresses: boundedList(hello.addresses, addressesMax, code, "addresses").flatMap(publicAddress),
    },
  };
}

export function readVersion(version: Version, code: string): TableVersion {
  return {
    installation: boundedText(version.installation, 64, code, "version.installation"),
    poolId: boundedText(version.poolId, 64, code, "version.pool_id"),
    epoch: boundedCount(version.epoch, versionMax, code, "version.epoch"),
    revision: boundedCount(version.revision, versionMax, code, "version.revision"),
  };
}

export function readRefusals(refusals: readonly Refusal[], code: string): EdgeRefusal[] {
  return refusals.slice(0, refusalsMax).map((refusal) => {
    if (![1, 2, 3].includes(refusal.kind)) refuse(code, "refusals.kind", "is unknown");
    if (!/^[a-z][a-z0-9_]{0,63}$/.test(refusal.code)) refuse(code, "refusals.code", "is not snake_case");
    return {
      kind: refusal.kind,
      id: boundedText(refusal.id, 512, code, "refusals.id"),
      offeredHash: bytesOf(refusal.offeredHash, 32, code, "refusals.offered_hash"),
      usedHash: refusal.usedHash.length === 0 ? null : bytesOf(refusal.usedHash, 32, code, "refusals.used_hash"),
      code: refusal.code,
      // Free text, often quoting what a route says: cut rather than refused.
      detail: refusal.detail
        .replaceAll(/[\u0000-\u001f\u007f]/g, " ")
        .slice(0, 500)
        .toWellFormed(),
    };
  });
}

function readSocket({ address, port }: Socket, field: string): { address: string; port: number } {
  const parsed = parseAddress(address);
  if (parsed === null) refuse(code, `${field}.address`, "is not an IP address");
  if (port < 1 || port > 65_535) refuse(code, `${field}.port`, "is not a port");
  return { address: parsed.text, port };
}

/** Loopback, link-local, unspecified and multicast addresses are no address of a fleet: they would be left out of every backend. */
function publicAddress(text: string): string[] {
  const address = parseAddress(text);
  if (address === null) refuse(code, "addresses", "has something that is no IP address");
  return isOfOneHost(unwrapAddress(address)) ? [] : [address.text];
}

function isOfOneHost({ bytes, family }: Address): boolean {
  const [first = 0, second = 0] = bytes;
  if (family === 4) return first === 0 || first === 127 || first >= 224 || (first === 169 && second === 254);
  if (first === 0xff || (first === 0xfe && (second & 0xc0) === 0x80)) return true;
  return bytes.subarray(0, 15).every((byte) => byte === 0) && (bytes[15] ?? 0) <= 1;
}
