import type { Match } from "@helloway/proto/table";
import { type CompiledCriteria, compileCriteria, protocolText } from "@helloway/routing/compiled-criteria";
import { criteriaKey } from "@helloway/routing/criteria";
import { escapeBytes } from "@helloway/routing/escaped-bytes";
import { checkCountries, checkNetworks } from "./check-lists.ts";
import { type Checked, type Refusal, served } from "./refusal.ts";

export interface ServedMatch {
  /** null: every client. */
  readonly criteria: CompiledCriteria | null;
  /** Equal for criteria that mean the same; "" for none. */
  readonly criteriaKey: string;
}

/** Each costs every connection to the hostname a look-up. */
const PROTOCOLS_MAX = 256;
/** RFC 7301: a length of one byte. */
const PROTOCOL_BYTES_MAX = 255;

const noMatch: ServedMatch = { criteria: null, criteriaKey: "" };

/** The criteria of a route: canonical and bounded. */
export function checkMatch(match: Match | undefined, geo: boolean): Checked<ServedMatch> {
  if (!match) return served(noMatch);
  const { alpn, sourceCidrs, countries } = match;
  const problem = protocolsProblem(alpn);
  if (problem) return { ok: false, refusal: problem };
  const networks = checkNetworks("match.sourceCidrs", sourceCidrs, "bad_match");
  if (!networks.ok) return networks;
  const checked = checkCountries("match.countries", countries, "bad_match", geo);
  if (!checked.ok) return checked;
  const criteria = compileCriteria({ alpn, sourceCidrs: networks.value, countries });
  if (criteria === null) return served(noMatch);
  return served({ criteria, criteriaKey: criteriaKey({ alpn: alpn.map(escapeBytes), sourceCidrs, countries }) });
}

function protocolsProblem(alpn: readonly Uint8Array[]): Refusal | null {
  if (alpn.length > PROTOCOLS_MAX)
    return { code: "bad_match", detail: `match.alpn has ${alpn.length} of at most ${PROTOCOLS_MAX} protocols.` };
  for (const [i, protocol] of alpn.entries()) {
    if (protocol.length === 0 || protocol.length > PROTOCOL_BYTES_MAX)
      return { code: "bad_match", detail: `match.alpn: a protocol has 1 to 255 bytes, not ${protocol.length}.` };
    if (i > 0 && protocolText(alpn[i - 1]!) >= protocolText(protocol))
      return { code: "bad_match", detail: "match.alpn is not sorted, or lists one twice." };
  }
  return null;
}
