// The pieces that the processes' environment schemas are made of. Each takes the variable's text; give a default with
// `.prefault("text")`, which runs through the same parsing, and make it optional with `.optional()`.
import { isIPv4, isIPv6 } from "node:net";
import { z } from "zod";

/** Where to listen or to connect. An IPv6 host is without its brackets. */
export interface SocketAddress {
  host: string;
  /** 0 to 65535; 0 lets the system choose when listening. */
  port: number;
}

const socketAddressShape = "must be address:port, for example 127.0.0.1:8080 or [::1]:8080";

/** "127.0.0.1:8080", "[::]:443", "control.example.com:8081". */
export const socketAddress = z.string().transform((text, context): SocketAddress => {
  const address = parseSocketAddress(text);
  if (address !== null) return address;
  context.addIssue({ code: "custom", message: `${quote(text)} ${socketAddressShape}` });
  return z.NEVER;
});

/** Comma separated socket addresses, at least one. */
export const socketAddressList = z.string().transform((text, context): SocketAddress[] => {
  const addresses: SocketAddress[] = [];
  for (const part of text.split(",")) {
    const address = parseSocketAddress(part.trim());
    if (address === null) context.addIssue({ code: "custom", message: `${quote(part.trim())} ${socketAddressShape}` });
    else addresses.push(address);
  }
  return addresses;
});

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** "500ms", "5s", "1m30s", "8760h", "0s" -> milliseconds. */
export const duration = z.string().transform((text, context): number => {
  if (/^(\d{1,9}(ms|s|m|h))+$/.test(text)) {
    let total = 0;
    for (const [, amount, unit] of text.matchAll(/(\d+)(ms|s|m|h)/g))
      total += Number(amount) * (unitMs[unit ?? ""] ?? 0);
    if (Number.isSafeInteger(total)) return total;
  }
  context.addIssue({
    code: "custom",
    message: `${quote(text)} must be a duration, for example 500ms, 5s, 1m30s or 24h`,
  });
  return z.NEVER;
});

/** A whole number within the bounds, both inclusive. */
export function integer(bounds: { min: number; max: number }) {
  return z.string().transform((text, context): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= bounds.min && value <= bounds.max) return value;
    context.addIssue({
      code: "custom",
      message: `${quote(text)} must be a whole number from ${bounds.min} to ${bounds.max}`,
    });
    return z.NEVER;
  });
}

/** An http or https URL without a path, query or fragment of its own; without a trailing slash. */
export const url = z.string().transform((text, context): string => {
  const parsed = URL.canParse(text) ? new URL(text) : null;
  if (parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.search === "" && parsed.hash === "") {
    return parsed.href.replace(/\/$/, "");
  }
  context.addIssue({
    code: "custom",
    message: `${quote(text)} must be an http or https URL, for example https://helloway.example.com`,
  });
  return z.NEVER;
});

/** Never repeated in a message. */
export const secret = z.string().min(1, "must not be empty");

export const boolean = z.enum(["true", "false"], "must be true or false").transform((text) => text === "true");

export const logLevel = z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
  error: "must be trace, debug, info, warn, error, fatal or silent",
});

export const logFormat = z.enum(["json", "pretty"], { error: "must be json or pretty" });

function parseSocketAddress(text: string): SocketAddress | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s[\]:/+]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const [, six, other, digits] = match;
  const port = Number(digits);
  if (port > 65_535) return null;
  if (six !== undefined) return isIPv6(six) ? { host: six, port } : null;
  const host = other ?? "";
  if (isIPv4(host)) return { host, port };
  const isName = /^(?!-)[a-zA-Z0-9_-]{1,63}(\.[a-zA-Z0-9_-]{1,63})*\.?$/.test(host);
  // All digits and dots and no IPv4 address: a typing error rather than a name.
  return isName && !/^[\d.]+$/.test(host) ? { host, port } : null;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
