// HELLOWAY_EDGE_LISTEN: "0.0.0.0:443", "[::]:443+proxy", "fd:NAME", "fd:NAME+proxy". A name is one of LISTEN_FDNAMES, which
// supervisors of systemd's kind set beside LISTEN_FDS and LISTEN_PID (sd_listen_fds(3)); the descriptors begin at 3.
import { parseAddress } from "@helloway/routing/address";
import { socketAddress } from "@helloway/runtime/environment-fields";
import type { ListenerSpec } from "./relay/relay.ts";

const FIRST_DESCRIPTOR = 3;
/** What a descriptor is called that the supervisor has given no name. */
const UNNAMED = "unknown";

export type PassedDescriptors = ReadonlyMap<string, readonly number[]>;

/** The listening sockets that a supervisor has passed to this process, by name. */
export function passedDescriptors(env: NodeJS.ProcessEnv, pid: number): PassedDescriptors {
  const passed = new Map<string, number[]>();
  const count = /^\d{1,4}$/.test(env["LISTEN_FDS"] ?? "") ? Number(env["LISTEN_FDS"]) : 0;
  // They are another process's, whose environment this one has inherited.
  if (env["LISTEN_PID"] !== undefined && env["LISTEN_PID"] !== String(pid)) return passed;
  const names = (env["LISTEN_FDNAMES"] ?? "").split(":");
  for (let i = 0; i < count; i++) {
    const name = names[i] || UNNAMED;
    passed.set(name, [...(passed.get(name) ?? []), FIRST_DESCRIPTOR + i]);
  }
  return passed;
}

/** One listener, or why it is none. */
export function parseListener(text: string, passed: PassedDescriptors): ListenerSpec | { problems: string[] } {
  const proxy = text.endsWith("+proxy");
  const where = proxy ? text.slice(0, -"+proxy".length) : text;
  if (where.includes("+")) {
    return { problems: [`${JSON.stringify(text)}: only "+proxy" may follow a listener`] };
  }
  if (where.startsWith("fd:")) return passedListener(where.slice(3), proxy, passed);
  const parsed = socketAddress.safeParse(where);
  if (!parsed.success) return { problems: parsed.error.issues.map((issue) => issue.message) };
  const address = parseAddress(parsed.data.host);
  if (address === null) return { problems: [`${JSON.stringify(parsed.data.host)} must be an IP address`] };
  return { address: address.text, port: parsed.data.port, proxy };
}

function passedListener(
  name: string,
  proxy: boolean,
  passed: PassedDescriptors,
): ListenerSpec | { problems: string[] } {
  const descriptors = passed.get(name);
  if (descriptors !== undefined) return { name, descriptors, proxy };
  const known = [...passed.keys()];
  const detail =
    known.length === 0
      ? "no supervisor has passed any (LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES say so)"
      : `there is ${known.map((each) => JSON.stringify(each)).join(", ")}`;
  return { problems: [`fd:${name}: no socket of this name was passed; ${detail}`] };
}
