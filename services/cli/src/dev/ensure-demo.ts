// What dev makes: a pool, a team, its domain and two routes; through the public API and only what is not there yet, so that
// whatever somebody changed since stays changed.
import { z } from "zod";
import type { Api } from "./api-client.ts";

export const demoPool = "local";
export const demoTeam = "demo";
export const demoDomain = "localhost";

export interface DemoRoute {
  name: string;
  hostname: string;
  /** "host:port" of its demo backend, which may be another than the last time. */
  backend: string;
}

/** On a route of dev's making: the port of the backend in it that follows the demo backend. */
const portLabel = "demo-backend-port";

const storedRoute = z.object({
  labels: z.record(z.string(), z.string()),
  description: z.string(),
  managedBy: z.string(),
  spec: z.looseObject({ backends: z.array(z.looseObject({ address: z.string() })) }),
});

const storedDomain = z.object({ status: z.object({ state: z.string() }) });

const onlyCreate = { headers: { "if-none-match": "*" }, accept: [412] };

/** The pool, the team and its verified domain. */
export async function ensureDemoTeam(api: Api): Promise<void> {
  await Promise.all([
    api("PUT", `/pools/${demoPool}`, {
      ...onlyCreate,
      body: { spec: { addresses: { default: { cidrs: ["127.0.0.0/8", "::1/128"], ports: ["any"] } } } },
    }),
    api("PUT", `/teams/${demoTeam}`, { ...onlyCreate, body: { spec: {} } }),
  ]);
  const domain = `/teams/${demoTeam}/domains/${demoDomain}`;
  const found = await api("GET", domain, { accept: [404] });
  if (found.status === 404)
    await api("POST", `/teams/${demoTeam}/domains`, { body: { name: demoDomain, scope: "tree" } });
  else if (storedDomain.parse(found.body).status.state === "verified") return;
  await api("POST", `${domain}/approve`);
}

export async function ensureDemoRoute(api: Api, route: DemoRoute): Promise<void> {
  const path = `/teams/${demoTeam}/routes/${route.name}`;
  const port = route.backend.slice(route.backend.lastIndexOf(":") + 1);
  const found = await api("GET", path, { accept: [404] });
  if (found.status === 404) {
    const spec = { pool: demoPool, hostnames: [route.hostname], backends: [{ address: route.backend }] };
    await api("PUT", path, { ...onlyCreate, body: { labels: { [portLabel]: port }, spec } });
    return;
  }
  const { labels, description, managedBy, spec } = storedRoute.parse(found.body);
  const earlier = labels[portLabel];
  if (earlier === undefined || earlier === port) return;
  const host = route.backend.slice(0, route.backend.lastIndexOf(":"));
  const backends = spec.backends.map((backend) =>
    backend.address === `${host}:${earlier}` ? { ...backend, address: route.backend } : backend,
  );
  await api("PUT", path, {
    headers: found.etag === null ? {} : { "if-match": found.etag },
    body: { labels: { ...labels, [portLabel]: port }, description, managedBy, spec: { ...spec, backends } },
  });
}
