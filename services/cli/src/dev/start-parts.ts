import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SocketAddress } from "@helloway/runtime/environment-fields";
import { z } from "zod";
import { certificatePath } from "../demo/certificate-files.ts";
import { type Api, createApi } from "./api-client.ts";
import type { Child } from "./child-process.ts";
import { demoPool, ensureDemoRoute, ensureDemoTeam } from "./ensure-demo.ts";
import { formatAddress, parseAddress, reachable } from "./format-address.ts";
import { waitUntilLive } from "./wait-until-live.ts";

export interface StartPartsOptions {
  dataDirectory: string;
  /** Which of the edge's listeners takes clients as they come, without a PROXY header. */
  directListener: number;
  start: (title: string, command: string, env?: Readonly<Record<string, string>>) => Child;
  progress: (line: string) => void;
  signal: AbortSignal;
}

export interface RunningParts {
  /** "http://127.0.0.1:8080" */
  origin: string;
  /** "host:port" where edges connect. */
  grpc: string;
  /** "host:port" of the edge's own health and table. */
  admin: string;
  /** Where the edge accepts and this machine reaches it. */
  edge: SocketAddress;
  backends: readonly { hostname: string; address: string; certificate: string }[];
}

const controlReady = z.object({ http: z.string(), grpc: z.string() });
const agentReady = z.object({
  listeners: z.array(z.object({ address: z.string(), port: z.int() })),
  admin: z.string(),
});
const demoReady = z.object({ backends: z.record(z.string(), z.string()) });
const joinToken = z.object({ token: z.string() });

const routes = [
  { name: "one", hostname: "one.localhost" },
  { name: "two", hostname: "two.localhost" },
];

/** Starts everything in the order in which the parts need each other, and returns when both routes are live. */
export async function startParts(options: StartPartsOptions): Promise<RunningParts> {
  const { dataDirectory, directListener, start, progress, signal } = options;
  const until = <T>(promise: Promise<T>): Promise<T> => untilAborted(promise, signal);
  progress(`data directory ${dataDirectory}`);
  progress("starting the control plane and the demo backends");
  const control = start("the control plane", "control");
  const demo = start("the demo backends", "demo-backends");

  const { http, grpc } = controlReady.parse(await until(control.ready));
  const origin = `http://${formatAddress(reachable(parseAddress(http)))}`;
  progress(`the API answers at ${origin}`);
  const token = (await readFile(join(dataDirectory, "admin-token"), "utf8")).trim();
  const api = createApi(origin, token, signal);
  const startEdge = (env: Record<string, string>): Child => {
    progress("starting the edge");
    return start("the edge", "agent", {
      HELLOWAY_CONTROL_ADDRESS: formatAddress(reachable(parseAddress(grpc))),
      ...env,
    });
  };
  // One that has its identity needs nothing of what is made here.
  const known = existsSync(join(dataDirectory, "edge", "identity", "identity.json")) ? startEdge({}) : null;
  await ensureDemoTeam(api);
  const agent = known ?? startEdge(await joinEnvironment(api));
  const { backends } = demoReady.parse(await until(demo.ready));
  const addressOf = (hostname: string): string => backends[hostname] ?? "";
  await Promise.all(routes.map((route) => ensureDemoRoute(api, { ...route, backend: addressOf(route.hostname) })));

  const { listeners, admin } = agentReady.parse(await until(agent.ready));
  const direct = listeners[directListener]!;
  const states = await Promise.all(routes.map((route) => waitUntilLive(api, route.name, signal)));
  routes.forEach(({ name }, index) => {
    if (states[index] !== "live")
      progress(`the route ${name} is ${states[index]}, not live: see ${origin}/api/v1/teams/demo/routes/${name}`);
  });
  return {
    origin,
    grpc,
    admin,
    edge: reachable({ host: direct.address, port: direct.port }),
    backends: routes.map(({ hostname }) => ({
      hostname,
      address: addressOf(hostname),
      certificate: certificatePath(dataDirectory, hostname),
    })),
  };
}

/** For an edge that has no identity yet; by environment, never by argument. */
async function joinEnvironment(api: Api): Promise<Record<string, string>> {
  const { body } = await api("POST", `/pools/${demoPool}/join-tokens`, { body: {} });
  return { HELLOWAY_JOIN_TOKEN: joinToken.parse(body).token };
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
