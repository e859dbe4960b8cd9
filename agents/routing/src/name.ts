// Names as the table knows them. Every comparison of names anywhere goes through the canonical form made here, so that what was
// registered, what a client sends and what a backend's TLS stack reads cannot differ by spelling.

const LABEL_BYTES_MAX = 63;
const NAME_BYTES_MAX = 253;
const DOT = 0x2e;

/** For each byte its lower-case form, 0 where a name must not have it. Letters, digits, hyphen, underscore and dot. */
const nameBytes = new Uint8Array(256);
for (const character of "abcdefghijklmnopqrstuvwxyz0123456789-_.") {
  nameBytes[character.charCodeAt(0)] = character.charCodeAt(0);
  nameBytes[character.toUpperCase().charCodeAt(0)] = character.charCodeAt(0);
}

const scratch = new Uint8Array(NAME_BYTES_MAX);
/** One byte more than a name with its trailing dot may have: what is longer is seen to be. */
const asciiScratch = new Uint8Array(NAME_BYTES_MAX + 2);
const utf8 = new TextEncoder();

/**
 * The form in which a name is looked up: lower case byte by byte, one trailing dot stripped. null: unmatchable, whatever is
 * registered (an IP literal, an empty or overlong label, a name over 253 bytes, a foreign byte, a name for reverse look-ups,
 * whose certificates are for addresses).
 */
export function canonicalName(bytes: Uint8Array): string | null {
  let length = bytes.length;
  if (length > 0 && bytes[length - 1] === DOT) length--;
  if (length === 0 || length > NAME_BYTES_MAX) return null;
  let labelStart = 0;
  for (let i = 0; i < length; i++) {
    const byte = nameBytes[bytes[i]!]!;
    if (byte === 0) return null;
    if (byte === DOT) {
      if (i === labelStart || i - labelStart > LABEL_BYTES_MAX) return null;
      labelStart = i + 1;
    }
    scratch[i] = byte;
  }
  if (length === labelStart || length - labelStart > LABEL_BYTES_MAX) return null;
  if (isNumber(scratch, labelStart, length)) return null;
  const name = String.fromCharCode.apply(null, scratch.subarray(0, length) as unknown as number[]);
  return isReverseName(name) ? null : name;
}

/** Whether a last label makes the whole name an IPv4 address to one resolver or another: all digits, or 0x and hex digits. */
function isNumber(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  const hex = bytes[i] === 0x30 && bytes[i + 1] === 0x78 && end - start >= 2;
  if (hex) i += 2;
  for (; i < end; i++) {
    const byte = bytes[i]!;
    const digit = byte >= 0x30 && byte <= 0x39;
    if (!digit && !(hex && byte >= 0x61 && byte <= 0x66)) return false;
  }
  return true;
}

function isReverseName(name: string): boolean {
  if (!name.endsWith("arpa")) return false;
  return ["in-addr.arpa", "ip6.arpa"].some((zone) => name === zone || name.endsWith(`.${zone}`));
}

export type HostnameProblem = "not_ascii" | "unmatchable_name" | "bad_wildcard";

export type ParsedHostname =
  | {
      ok: true;
      /** Canonical, as stored: "*.example.com" or "api.example.com". */
      hostname: string;
      /** The hostname without "*.". */
      name: string;
      wildcard: boolean;
    }
  | { ok: false; code: HostnameProblem; detail: string };

/** Reads a hostname that somebody registers: a name, or "*." and a name. */
export function parseHostname(text: string): ParsedHostname {
  const wildcard = text.startsWith("*.");
  const rest = wildcard ? text.slice(2) : text;
  if (rest.includes("*")) {
    const detail = `A wildcard is "*." and a name: the asterisk stands for whole labels, once, in front.`;
    return { ok: false, code: "bad_wildcard", detail };
  }
  if (!/^[\x00-\x7f]*$/.test(rest)) return { ok: false, code: "not_ascii", detail: notAsciiDetail(rest, wildcard) };
  const name = canonicalName(asciiBytes(rest));
  if (name === null) return { ok: false, code: "unmatchable_name", detail: unmatchableDetail(rest) };
  const hostname = wildcard ? `*.${name}` : name;
  if (hostname.length > NAME_BYTES_MAX) {
    return { ok: false, code: "unmatchable_name", detail: `No name below it fits into ${NAME_BYTES_MAX} bytes.` };
  }
  return { ok: true, hostname, name, wildcard };
}

/** As much of it as tells whether it is a name. Good until the next call. */
function asciiBytes(text: string): Uint8Array {
  const length = Math.min(text.length, asciiScratch.length);
  for (let i = 0; i < length; i++) asciiScratch[i] = text.charCodeAt(i);
  return asciiScratch.subarray(0, length);
}

function notAsciiDetail(name: string, wildcard: boolean): string {
  const suggestion = toALabels(name);
  if (suggestion === null) return "A hostname is ASCII; clients send the A-label form (xn--...) of other names.";
  return `A hostname is ASCII; clients send this one as ${wildcard ? "*." : ""}${suggestion}: register that.`;
}

/** For suggesting only: the mapping folds characters (full-width dots, the Kelvin sign) that must never match by themselves. */
function toALabels(name: string): string | null {
  const url = URL.parse(`https://${name}`);
  if (url === null || url.pathname !== "/" || url.port !== "" || url.username !== "") return null;
  return canonicalName(utf8.encode(url.hostname));
}

function unmatchableDetail(text: string): string {
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  if (name === "") return "The name is empty.";
  if (/[:[\]]/.test(name))
    return "IP addresses and ports are no hostnames: clients send no server name for an address.";
  const foreign = /[^A-Za-z0-9._-]/.exec(name);
  if (foreign)
    return `${JSON.stringify(foreign[0])} cannot be part of a hostname: letters, digits, hyphens, underscores and dots can.`;
  if (name.length > NAME_BYTES_MAX) return `It has ${name.length} bytes; a name has at most ${NAME_BYTES_MAX}.`;
  const labels = name.split(".");
  if (labels.includes("")) return "It has an empty label: two dots in a row, or a dot in front.";
  const long = labels.find((label) => label.length > LABEL_BYTES_MAX);
  if (long !== undefined) return `The label ${long} has ${long.length} bytes; a label has at most ${LABEL_BYTES_MAX}.`;
  if (isReverseName(name.toLowerCase()))
    return "Names under in-addr.arpa and ip6.arpa stand for addresses and are not routed.";
  return "Its last label is a number, which makes it an IP address.";
}

/**
 * Whether a claim to a domain covers a hostname. Both are canonical; the hostname may be a wildcard, which only a tree covers.
 * @param domain exact: the name alone; tree: the name and everything below it.
 */
export function nameCovers(domain: { name: string; scope: "exact" | "tree" }, hostname: string): boolean {
  if (domain.scope === "exact") return hostname === domain.name;
  const name = hostname.startsWith("*.") ? hostname.slice(2) : hostname;
  return name === domain.name || name.endsWith(`.${domain.name}`);
}
