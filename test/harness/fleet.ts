// A fleet to act on through the verbs themselves: administrators and members as contexts, and the usual objects in one call each.
import type { Database } from "@helloway/control/db/database";
import { approveDomain, createDomain } from "@helloway/control/fleet/domains";
import { ensureInstallation } from "@helloway/control/fleet/installation";
import { putPool } from "@helloway/control/fleet/pools";
import { putRoute, type PutRoute } from "@helloway/control/fleet/routes";
import { createSealing } from "@helloway/control/fleet/sealing";
import { putTeam } from "@helloway/control/fleet/teams";
import { authenticate, createToken } from "@helloway/control/fleet/tokens";
import type { Context, Principal } from "@helloway/control/fleet/context";
import type { PoolSpec, RouteSpec, TimeoutsSpec } from "@helloway/control/fleet/specs";

type TeamRole = "owner" | "editor" | "reader";

export interface Fleet {
  admin: Context;
  viewer: Context;
  /** A context of a new token of the team. */
  member(team: string, role?: TeamRole): Promise<Context>;
  /** Makes a team; a context of its owner. */
  team(name: string): Promise<Context>;
  pool(name: string, spec?: Partial<PoolSpec>): Promise<void>;
  /** Claims a name for the team and approves it. */
  domain(team: string, name: string, scope?: "exact" | "tree"): Promise<void>;
  route(
    ctx: Context,
    team: string,
    name: string,
    spec: Partial<RouteSpec> & Pick<RouteSpec, "hostnames">,
    more?: Partial<PutRoute>,
  ): ReturnType<typeof putRoute>;
}

export const timeouts: TimeoutsSpec = {
  connectMs: 3000,
  idleMs: 600_000,
  halfClosedMs: 60_000,
  writeStallMs: 60_000,
  maxDurationMs: null,
};

export const described = { labels: {}, description: "", managedBy: "" };

/** Public addresses, port 443, and no defaults: as out of the box. */
export const poolSpec: PoolSpec = {
  hello: { timeoutMs: 5000, bytesMax: 32_768 },
  noSni: null,
  unmatched: null,
  addresses: { default: { cidrs: ["public"], ports: [{ from: 443, to: 443 }] }, teams: {}, nat64: [] },
};

export const backend = (address = "93.184.216.34:443") => ({ address, weight: 1, priority: 0 });

export const routeSpec = (spec: Partial<RouteSpec> & Pick<RouteSpec, "hostnames">): RouteSpec => ({
  pool: "main",
  wildcardDepth: "any",
  backends: [backend()],
  timeouts,
  ...spec,
});

/** @param now the clock of every context. */
export async function createFleet(database: Database, now: () => Date = () => new Date()): Promise<Fleet> {
  const sealing = createSealing("a-key-for-tests-of-32-characters-or-more");
  await ensureInstallation(database.db, { sealing, now: now() });
  const contextOf = (principal: Principal): Context => ({
    db: database.db,
    principal,
    requestId: "request",
    origin: "test",
    now,
    sealing,
  });
  const admin = contextOf({ kind: "system", id: "test", name: "test", role: "admin", team: null, teamId: null });
  const signIn = async (input: Parameters<typeof createToken>[1]) => {
    const { token } = await createToken(admin, input);
    const principal = await authenticate(admin, token);
    if (principal === null) throw new Error("a new token is not accepted");
    return contextOf(principal);
  };
  const member: Fleet["member"] = (team, role = "editor") =>
    signIn({ name: `${team}-${role}`, team, role, expiresAt: null });
  return {
    admin,
    viewer: await signIn({ name: "viewer", team: null, role: "viewer", expiresAt: null }),
    member,
    async team(name) {
      const spec = { members: [], quotas: { routes: null, domains: null } };
      await putTeam(admin, { name, put: { ...described, spec }, precondition: {} });
      return await member(name, "owner");
    },
    async pool(name, spec = {}) {
      await putPool(admin, { name, put: { ...described, spec: { ...poolSpec, ...spec } }, precondition: {} });
    },
    async domain(team, name, scope = "tree") {
      await createDomain(admin, { team, name, scope });
      await approveDomain(admin, { team, name });
    },
    route: (ctx, team, name, spec, more = {}) =>
      putRoute(ctx, {
        team,
        name,
        put: { ...described, spec: routeSpec(spec) },
        precondition: {},
        dryRun: false,
        force: false,
        ...more,
      }),
  };
}
