// What only several sessions at once can show; the embedded database is one.
import { backend, createFleet, described, type Fleet, poolSpec, routeSpec } from "@helloway/test/harness/fleet";
import { onPostgres } from "@helloway/test/harness/database";
import { checkTable } from "@helloway/test/harness/table-replay";
import { and, eq, gt } from "drizzle-orm";
import { beforeAll, expect, test } from "vitest";
import type { Database } from "../db/database.ts";
import { pools, revisions, tableChanges } from "../db/schema/pools.ts";
import { names, routeNames, routes } from "../db/schema/routes.ts";
import { inTransaction } from "../db/transaction.ts";
import { ensureAuthority } from "./authority.ts";
import type { Context } from "./context.ts";
import { approveDomain, createDomain, deleteDomain } from "./domains.ts";
import { createJoinToken } from "./join-tokens.ts";
import { deletePool, putPool } from "./pools.ts";
import { holdNames } from "./route-names.ts";
import { deleteRoute, getRoute } from "./routes.ts";
import { deleteTeam, putTeam } from "./teams.ts";
import { createToken } from "./tokens.ts";

onPostgres((open) => {
  let database: Database;
  let fleet: Fleet;
  let ours: Context;
  let theirs: Context;
  beforeAll(async () => {
    database = await open();
    fleet = await createFleet(database);
    ours = await fleet.team("ours");
    theirs = await fleet.team("theirs");
    await fleet.pool("main");
    await fleet.domain("ours", "ours.example.com");
  });

  const idOf = async (pool: string) =>
    (await database.db.select().from(pools).where(eq(pools.name, pool)))[0]?.id ?? "";

  test("of 50 concurrent writers of two teams over the same hostnames one team holds each, and nothing is half done", async () => {
    // Below the check of who owns a name: the constraints alone must decide.
    await fleet.pool("contested");
    const poolId = await idOf("contested");
    const hostnames = Array.from({ length: 12 }, (_, i) => `h${i}.contested.example.com`);
    const teamIds = [ours.principal.teamId ?? "", theirs.principal.teamId ?? ""];
    const writers = Array.from({ length: 50 }, async (_, i) => {
      const teamId = teamIds[i % 2] ?? "";
      // Overlapping and in every order.
      const wanted = [0, 1, 2, 3].map((step) => hostnames[(i * 5 + step * (1 + (i % 3))) % hostnames.length] ?? "");
      return await inTransaction(database.db, async (tx) => {
        const spec = routeSpec({ pool: "contested", hostnames: wanted });
        const [route] = await tx
          .insert(routes)
          .values({ teamId, name: `r${i}`, poolId, spec, revision: 0 })
          .returning();
        const conflicts = await holdNames(tx, { poolId, teamId, routeId: route?.id ?? "", criteriaKey: "" }, wanted);
        if (conflicts.length > 0) throw new Error("taken");
        return { routeId: route?.id, teamId, wanted: [...new Set(wanted)] };
      });
    });
    const done = await Promise.allSettled(writers);
    const won = done.filter((result) => result.status === "fulfilled").map((result) => result.value);
    const lost = done.filter((result) => result.status === "rejected");
    expect(won.length).toBeGreaterThan(0);
    expect(lost.map((result) => (result.reason as Error).message)).toEqual(lost.map(() => "taken"));
    const held = await database.db.select().from(names).where(eq(names.poolId, poolId));
    const byRoute = await database.db.select().from(routeNames).where(eq(routeNames.poolId, poolId));
    const expected = won.flatMap(({ routeId, teamId, wanted }) =>
      wanted.map((hostname) => ({ routeId, teamId, hostname })),
    );
    const order = (a: { hostname: string }, b: { hostname: string }) => (a.hostname < b.hostname ? -1 : 1);
    expect(byRoute.map(({ routeId, teamId, hostname }) => ({ routeId, teamId, hostname })).toSorted(order)).toEqual(
      expected.toSorted(order),
    );
    expect(held.map(({ hostname, teamId }) => ({ hostname, teamId })).toSorted(order)).toEqual(
      expected.map(({ hostname, teamId }) => ({ hostname, teamId })).toSorted(order),
    );
    expect(await database.db.select().from(routes).where(eq(routes.poolId, poolId))).toHaveLength(won.length);
  });

  test("while a name changes hands back and forth, no team routes what the other one owns", async () => {
    await fleet.pool("handed");
    await fleet.domain("ours", "handed.example.com");
    await createDomain(theirs, { team: "theirs", name: "x.handed.example.com", scope: "tree" });
    const hostname = "a.x.handed.example.com";
    const attempt = (work: Promise<unknown>) =>
      work.then(
        () => "done",
        (error: { code?: string }) => error.code ?? "unknown",
      );
    const outcomes = new Set<string>();
    for (let round = 0; round < 12; round++) {
      const target = { team: "theirs", name: "x.handed.example.com" };
      const results = await Promise.all([
        attempt(
          fleet.route(ours, "ours", "handed", {
            pool: "handed",
            hostnames: [hostname],
            backends: [backend(`93.184.216.${round + 1}:443`)],
          }),
        ),
        attempt(approveDomain(fleet.admin, target)),
        attempt(fleet.route(theirs, "theirs", "handed", { pool: "handed", hostnames: [hostname] })),
      ]);
      for (const result of results) outcomes.add(result);
      // Who serves the name is who owns it.
      const [held] = await database.db.select().from(names).where(eq(names.hostname, hostname));
      const [ok, approved] = results;
      if (approved === "done") expect(held?.teamId).not.toBe(ours.principal.teamId);
      else expect([ok, held?.teamId]).toEqual(["done", ours.principal.teamId]);
      await attempt(deleteRoute(ours, { team: "ours", name: "handed", precondition: {} }));
      await attempt(deleteRoute(theirs, { team: "theirs", name: "handed", precondition: {} }));
      await attempt(deleteDomain(theirs, target));
      await createDomain(theirs, { team: "theirs", name: "x.handed.example.com", scope: "tree" });
    }
    expect(
      [...outcomes].filter((code) => !["done", "names_in_use", "domain_not_verified", "hostname_taken"].includes(code)),
    ).toEqual([]);
    await checkTable(database.db, "handed");
  });

  test("a domain that is given up and a route that needs it never both succeed", async () => {
    await fleet.pool("given");
    for (let round = 0; round < 10; round++) {
      const name = `given-${round}.example.com`;
      await fleet.domain("ours", name);
      const [route, domain] = await Promise.allSettled([
        fleet.route(ours, "ours", `given-${round}`, { pool: "given", hostnames: [`*.${name}`] }),
        deleteDomain(ours, { team: "ours", name }),
      ]);
      expect([route.status, domain.status].toSorted()).toEqual(["fulfilled", "rejected"]);
    }
  });

  test("16 concurrent writers make revisions without gaps, in the order of their commits", async () => {
    await fleet.pool("counted");
    const poolId = await idOf("counted");
    const writersDone = Promise.all(
      Array.from({ length: 16 }, async (_, writer) => {
        for (let i = 0; i < 6; i++) {
          const name = `w${writer}`;
          const backends = [backend(`93.184.${writer}.${i + 1}:443`)];
          await fleet.route(ours, "ours", name, {
            pool: "counted",
            hostnames: [`w${writer}.ours.example.com`],
            backends,
          });
          if (i === 3) await deleteRoute(ours, { team: "ours", name, precondition: {} });
        }
      }),
    );
    // A reader that follows by revision, as the feed does, must never see one before all those below it.
    let writing = true;
    let followed = 0;
    const seen: number[] = [];
    const reader = async () => {
      for (let last = false; !last;) {
        last = !writing;
        const rows = await database.db
          .select({ revision: revisions.revision })
          .from(revisions)
          .where(and(eq(revisions.poolId, poolId), gt(revisions.revision, followed)))
          .orderBy(revisions.revision);
        seen.push(...rows.map((row) => row.revision));
        followed = seen.at(-1) ?? followed;
        const changes = await database.db
          .selectDistinct({ revision: tableChanges.revision })
          .from(tableChanges)
          .where(eq(tableChanges.poolId, poolId));
        expect(changes.map((row) => row.revision)).toEqual(expect.arrayContaining(seen));
      }
    };
    const reading = reader();
    await writersDone;
    writing = false;
    await reading;
    const total = 1 + 16 * 7;
    expect(seen).toEqual(Array.from({ length: total }, (_, i) => i + 1));
    const table = await checkTable(database.db, "counted");
    expect(table.filter((entry) => entry.startsWith("1 "))).toHaveLength(16);
    expect((await getRoute(ours, { team: "ours", name: "w3" })).object.revision).toBeLessThanOrEqual(total);
  });

  test("routes that change places between two pools at once do not wait for each other for ever", async () => {
    await fleet.pool("left");
    await fleet.pool("right");
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        for (let turn = 0; turn < 4; turn++) {
          const pool = (i + turn) % 2 === 0 ? "left" : "right";
          await fleet.route(ours, "ours", `swap-${i}`, {
            pool,
            hostnames: [`swap-${i}.ours.example.com`, "*.swap.ours.example.com"].slice(0, i === 0 ? 2 : 1),
          });
        }
      }),
    );
    const sizes = [await checkTable(database.db, "left"), await checkTable(database.db, "right")].map(
      (table) => table.length,
    );
    expect(sizes).toEqual([1 + 4, 1 + 4]);
  });

  test("one of several who make the same thing at once makes it", async () => {
    const spec = { pool: "main", hostnames: ["same.ours.example.com"] };
    const made = await Promise.all(Array.from({ length: 8 }, () => fleet.route(ours, "ours", "same", spec)));
    expect(made.filter(({ created }) => created)).toHaveLength(1);
    const put = { ...described, spec: poolSpec };
    const written = await Promise.all(
      Array.from({ length: 8 }, () => putPool(fleet.admin, { name: "same", put, precondition: {} })),
    );
    expect(written.filter(({ created }) => created)).toHaveLength(1);
    await checkTable(database.db, "same");
  });

  test("a quota holds against writers who come at once", async () => {
    const few = await fleet.team("few");
    const spec = { members: [], quotas: { routes: 3, domains: null } };
    await putTeam(fleet.admin, { name: "few", put: { ...described, spec }, precondition: {} });
    await fleet.domain("few", "few.example.com");
    const made = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) => fleet.route(few, "few", `r${i}`, { hostnames: [`r${i}.few.example.com`] })),
    );
    expect(made.filter((result) => result.status === "fulfilled")).toHaveLength(3);
  });

  test("routes of a team exchange hostnames without a deadlock", async () => {
    let attempts = 0;
    const transaction: typeof database.db.transaction = (body, config) => {
      attempts++;
      return database.db.transaction(body, config);
    };
    const counted: Context = { ...ours, db: Object.create(database.db, { transaction: { value: transaction } }) };
    const hostnames = Array.from({ length: 4 }, (_, i) => `swap${i}.ours.example.com`);
    for (const [i, hostname] of hostnames.entries())
      await fleet.route(ours, "ours", `swap${i}`, { hostnames: [hostname] });
    const writes = Array.from({ length: 40 }, (_, i) => {
      const wanted = [hostnames[(i * 3 + 1) % 4] ?? "", hostnames[(i * 3 + 2) % 4] ?? ""];
      return fleet.route(counted, "ours", `swap${i % 4}`, { hostnames: wanted.slice(0, 1 + (i % 2)) });
    });
    for (const result of await Promise.allSettled(writes)) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "hostname_taken" });
    }
    // A deadlock is one more attempt.
    expect(attempts).toBe(writes.length);
    await checkTable(database.db, "main");
  });

  test("routes with different criteria take and give up one hostname at once, and it is held as long as one of them has it", async () => {
    const hostname = "criteria.ours.example.com";
    const route = (i: number) =>
      fleet.route(ours, "ours", `criteria-${i}`, {
        hostnames: [hostname],
        match: { alpn: [`p${i}`], sourceCidrs: [], countries: [] },
      });
    const gone = (i: number) => deleteRoute(ours, { team: "ours", name: `criteria-${i}`, precondition: {} });
    await route(0);
    for (let round = 0; round < 12; round++) {
      // One leaves, which is the last there was, while others come.
      await Promise.all([gone(3 * round), ...[1, 2, 3].map((i) => route(3 * round + i))]);
      await Promise.all([gone(3 * round + 1), gone(3 * round + 2)]);
      const held = await database.db.select().from(routeNames).where(eq(routeNames.hostname, hostname));
      expect(held).toHaveLength(1);
    }
    await gone(36);
    expect(await database.db.select().from(names).where(eq(names.hostname, hostname))).toEqual([]);
    await checkTable(database.db, "main");
  });

  test("what is made in a team or pool while it is deleted is there or not found, and then keeps it", async () => {
    const { sealing, now } = fleet.admin;
    await ensureAuthority(database.db, { sealing, now: now() });
    for (let round = 0; round < 8; round++) {
      const name = `gone${round}`;
      await fleet.team(name);
      await fleet.pool(name);
      const outcomes = await Promise.allSettled([
        deleteTeam(fleet.admin, { name, precondition: {} }),
        createDomain(fleet.admin, { team: name, name: `${name}.example.org`, scope: "exact" }),
        createToken(fleet.admin, { name, team: name, role: "reader", expiresAt: null }),
        deletePool(fleet.admin, { name, precondition: {} }),
        createJoinToken(fleet.admin, { pool: name, controlAddress: "127.0.0.1:1" }),
        fleet.route(ours, "ours", name, { pool: name, hostnames: [`${name}.ours.example.com`] }),
      ]);
      const codes = outcomes.map((result) => (result.status === "fulfilled" ? "done" : result.reason.code));
      const [team, domain, token, pool, joinToken, route] = codes;
      expect([team, domain]).toBeOneOf([
        ["done", "team_not_found"],
        ["team_in_use", "done"],
      ]);
      expect(token).toBeOneOf(["done", "team_not_found"]);
      expect([pool, route]).toBeOneOf([
        ["done", "unknown_pool"],
        ["pool_in_use", "done"],
      ]);
      expect(joinToken).toBeOneOf(["done", "pool_not_found"]);
    }
  });
});
