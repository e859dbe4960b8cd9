import { createFleet, type Fleet } from "@helloway/test/harness/fleet";
import { eachDatabase } from "@helloway/test/harness/database";
import { eq } from "drizzle-orm";
import { beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../db/database.ts";
import { tokens } from "../db/schema/teams.ts";
import { createFirstAdminToken } from "./admin-token.ts";
import type { Context } from "./context.ts";
import { authenticate, createToken, listTokens, revokeToken } from "./tokens.ts";

const startAt = Date.parse("2026-11-23T12:00:00Z");
const hourMs = 3_600_000;

eachDatabase((open) => {
  let database: Database;
  let fleet: Fleet;
  let now = startAt;
  let owner: Context;
  beforeAll(async () => {
    database = await open();
    fleet = await createFleet(database, () => new Date(now));
    owner = await fleet.team("ours");
    await fleet.team("theirs");
  });

  const make = (ctx: Context, input: Partial<Parameters<typeof createToken>[1]> = {}) =>
    createToken(ctx, { name: "t", team: "ours", role: "reader", expiresAt: null, ...input });

  test("a token says who it is, and is nowhere in the database", async () => {
    const { token, view } = await make(fleet.admin, { role: "editor" });
    expect(token).toMatch(/^hwt_[0-9A-Za-z]{49}$/);
    expect(await authenticate(fleet.admin, token)).toMatchObject({
      kind: "token",
      id: view.id,
      role: "editor",
      team: "ours",
    });
    const rows = await database.db.select().from(tokens);
    expect(JSON.stringify(rows)).not.toContain(token.slice(4, 20));
    expect(rows.find((row) => row.id === view.id)?.hash).toHaveLength(32);
  });

  test("what is not a token is refused without asking for it", async () => {
    const { token } = await make(fleet.admin);
    const wrong = token.slice(0, -1) + (token.endsWith("0") ? "1" : "0");
    for (const text of ["", "hwt_", wrong, `${token} `, token.toUpperCase()]) {
      expect(await authenticate(fleet.admin, text)).toBeNull();
    }
  });

  test("an expired token is refused from the instant on", async () => {
    const { token } = await make(fleet.admin, { expiresAt: new Date(now + hourMs) });
    now += hourMs - 1;
    expect(await authenticate(fleet.admin, token)).not.toBeNull();
    now += 1;
    expect(await authenticate(fleet.admin, token)).toBeNull();
    await expect(make(fleet.admin, { expiresAt: new Date(now) })).rejects.toMatchObject({ code: "in_the_past" });
  });

  test("a revoked token is refused at once, and revoking again is fine", async () => {
    const { token, view } = await make(fleet.admin);
    await revokeToken(fleet.admin, { id: view.id });
    expect(await authenticate(fleet.admin, token)).toBeNull();
    await revokeToken(fleet.admin, { id: view.id });
  });

  test("a token never outlives its maker's", async () => {
    const { token } = await make(fleet.admin, { role: "owner", expiresAt: new Date(now + hourMs) });
    const maker = await authenticate(fleet.admin, token);
    if (maker === null) throw new Error("unreachable");
    const ctx = { ...fleet.admin, principal: maker };
    await expect(make(ctx, { expiresAt: new Date(now + hourMs + 1) })).rejects.toMatchObject({ code: "after_maker" });
    expect((await make(ctx)).view.expiresAt).toEqual(new Date(now + hourMs));
    expect((await make(ctx, { expiresAt: new Date(now + 5) })).view.expiresAt).toEqual(new Date(now + 5));
  });

  test("last use is kept to the minute, not written with every request", async () => {
    const { token, view } = await make(fleet.admin);
    const lastUsed = async () => (await database.db.select().from(tokens).where(eq(tokens.id, view.id)))[0]?.lastUsedAt;
    await authenticate(fleet.admin, token);
    const first = new Date(now);
    expect(await lastUsed()).toEqual(first);
    now += 59_999;
    await authenticate(fleet.admin, token);
    expect(await lastUsed()).toEqual(first);
    now += 1;
    await authenticate(fleet.admin, token);
    expect(await lastUsed()).toEqual(new Date(now));
  });

  describe("who may make what", () => {
    test("owners make their team's, others none", async () => {
      expect((await make(owner, { role: "owner" })).view).toMatchObject({ team: "ours", role: "owner" });
      await expect(make(owner, { team: "theirs" })).rejects.toMatchObject({ kind: "not_found" });
      await expect(make(owner, { team: null, role: "admin" })).rejects.toMatchObject({ kind: "forbidden" });
      await expect(make(owner, { team: null, role: "viewer" })).rejects.toMatchObject({ kind: "forbidden" });
      for (const role of ["editor", "reader"] as const) {
        await expect(make(await fleet.member("ours", role))).rejects.toMatchObject({ kind: "forbidden" });
      }
      await expect(make(fleet.viewer)).rejects.toMatchObject({ kind: "forbidden" });
    });

    test("a role fits its team", async () => {
      await expect(make(fleet.admin, { role: "admin" })).rejects.toMatchObject({ code: "not_allowed" });
      await expect(make(fleet.admin, { team: null })).rejects.toMatchObject({ code: "required" });
    });
  });

  test("owners list and revoke their team's only", async () => {
    const { view } = await make(fleet.admin, { team: "theirs" });
    const listed = await listTokens(owner, { limit: 500, cursor: null });
    expect(new Set(listed.items.map((item) => item.team))).toEqual(new Set(["ours"]));
    await expect(listTokens(owner, { limit: 1, cursor: null, team: "theirs" })).rejects.toMatchObject({
      kind: "not_found",
    });
    await expect(revokeToken(owner, { id: view.id })).rejects.toMatchObject({ kind: "not_found" });
    const mine = await make(fleet.admin);
    await expect(revokeToken(await fleet.member("ours", "editor"), { id: mine.view.id })).rejects.toMatchObject({
      kind: "forbidden",
    });
    await revokeToken(owner, { id: mine.view.id });
  });

  test("a list comes whole in pages", async () => {
    const whole = (await listTokens(fleet.admin, { limit: 500, cursor: null })).items.map(({ id }) => id);
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await listTokens(fleet.admin, { limit: 3, cursor });
      ids.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(ids).toEqual(whole);
  });

  test("the first administrator's token is made once, and the last one is not revoked", async () => {
    const fresh = await open();
    const token = await createFirstAdminToken(fresh.db, { now: () => new Date(now) });
    expect(await createFirstAdminToken(fresh.db, { now: () => new Date(now) })).toBeNull();
    const principal = await authenticate({ db: fresh.db, now: () => new Date(now) }, token ?? "");
    if (principal === null) throw new Error("the first token is not accepted");
    expect(principal.role).toBe("admin");
    const ctx = { ...fleet.admin, db: fresh.db, principal };
    await expect(revokeToken(ctx, { id: principal.id })).rejects.toMatchObject({ code: "last_admin_token" });
    await createToken(ctx, { name: "second", team: null, role: "admin", expiresAt: null });
    await revokeToken(ctx, { id: principal.id });
  });
});
