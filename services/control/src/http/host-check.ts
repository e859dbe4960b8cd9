import { createMiddleware } from "hono/factory";
import { respondProblem } from "./respond-problem.ts";
import type { AppEnv } from "./app-env.ts";

/** Probes come with whatever Host their prober likes. */
const excepted = new Set(["/livez", "/readyz"]);

/** Whether a name only ever means this machine (RFC 6761 section 6.3 for localhost and below). */
function isLoopbackName(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127(\.\d+){3}$/.test(hostname)
  );
}

function parseHost(host: string, protocol: string): URL | null {
  return /^[A-Za-z0-9._:[\]-]+$/.test(host) ? URL.parse(`${protocol}//${host}`) : null;
}

/** Whether a Host is one of ours. Ports count for the public URL; a forwarded loopback port may be any. */
export function isOwnHost(host: string, options: { publicUrl: string | null; loopback: boolean }): boolean {
  const publicUrl = options.publicUrl === null ? null : new URL(options.publicUrl);
  if (publicUrl !== null && parseHost(host, publicUrl.protocol)?.host === publicUrl.host) return true;
  const url = parseHost(host, "http:");
  return options.loopback && url !== null && isLoopbackName(url.hostname);
}

/** 421 for a Host that is not ours: what stops a page of another site from reaching us under a name it controls. */
export const hostCheck = (options: { publicUrl: string | null; loopback: boolean }) =>
  createMiddleware<AppEnv>(async (c, next) => {
    const host = c.req.header("host") ?? new URL(c.req.url).host;
    if (!excepted.has(c.req.path) && !isOwnHost(host, options)) {
      return respondProblem(c, {
        status: 421,
        code: "misdirected_request",
        detail:
          "This Host is not served here. Use the public URL (HELLOWAY_PUBLIC_URL) or, beside the process, a loopback name.",
        problems: [],
        headers: {},
      });
    }
    await next();
    return undefined;
  });
