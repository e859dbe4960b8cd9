import { createFleet, described, type Fleet } from "@helloway/test/harness/fleet";
import { eachDatabase } from "@helloway/test/harness/database";
import { beforeAll, expect, test } from "vitest";
import { auditEvents } from "../db/schema/audit.ts";
import type { Database } from "../db/database.ts";
import { deleteDomain } from "./domains.ts";
import { deleteTeam, getTeam, listTeams, putTeam } from "./teams.ts";
import { authenticate, createToken } from "./tokens.ts";

const spec = { members: [], quotas: { routes: null, domains: null } };

eachDatabase((open) => {
  let database: Database;
  let fleet: Fleet;
  beforeAll(async () => {
    database = await open();
    fleet = await createFleet(database);
  });

  test("a team is made once, and a repeat changes nothing", async () => {
    const input = { name: "alpha", put: { ...described, labels: { site: "ams" }, spec }, precondition: {} };
    const made = await putTeam(fleet.admin, input);
    expect(made).toMatchObject({ created: true, object: { name: "alpha", version: 1, labels: { site: "ams" } } });
    const again = await putTeam(fleet.admin, input);
    expect(again).toEqual({ created: false, object: made.object });
    const changed = await putTeam(fleet.admin, { ...input, put: { ...input.put, description: "First" } });
    expect(changed).toMatchObject({ created: false, object: { version: 2, description: "First" } });
    expect(await getTeam(fleet.admin, { name: "alpha" })).toEqual(changed.object);
  });

  test.each(["", "-a", "a-", "A", "a.b", "ä", "a".repeat(64)])("a team cannot be called %j", async (name) => {
    await expect(putTeam(fleet.admin, { name, put: { ...described, spec }, precondition: {} })).rejects.toMatchObject({
      code: "bad_name",
    });
  });

  test("preconditions hold for writing and deleting", async () => {
    const put = { ...described, spec };
    const write = (precondition: object) => putTeam(fleet.admin, { name: "conditions", put, precondition });
    await expect(write({ ifMatch: 1 })).rejects.toMatchObject({ kind: "precondition_failed" });
    await expect(write({ ifMatch: "*" })).rejects.toMatchObject({ kind: "precondition_failed" });
    await write({ ifNoneMatchAny: true });
    await expect(write({ ifNoneMatchAny: true })).rejects.toMatchObject({ kind: "precondition_failed" });
    await expect(write({ ifMatch: [2, 3] })).rejects.toMatchObject({ kind: "precondition_failed" });
    await write({ ifMatch: [1, 2] });
    await expect(deleteTeam(fleet.admin, { name: "conditions", precondition: { ifMatch: 7 } })).rejects.toMatchObject({
      kind: "precondition_failed",
    });
    await deleteTeam(fleet.admin, { name: "conditions", precondition: { ifMatch: 1 } });
    await expect(getTeam(fleet.admin, { name: "conditions" })).rejects.toMatchObject({ kind: "not_found" });
  });

  test("another keeper's team is not written", async () => {
    const put = { ...described, managedBy: "terraform", spec };
    await putTeam(fleet.admin, { name: "kept", put, precondition: {} });
    const other = putTeam(fleet.admin, { name: "kept", put: { ...put, managedBy: "" }, precondition: {} });
    await expect(other).rejects.toMatchObject({
      code: "managed_by_other",
      message: expect.stringContaining("terraform"),
    });
  });

  test("members see their own team only, and write none", async () => {
    const ours = await fleet.team("ours");
    await fleet.team("theirs");
    expect((await listTeams(ours, { limit: 10, cursor: null })).items.map(({ name }) => name)).toEqual(["ours"]);
    await expect(getTeam(ours, { name: "theirs" })).rejects.toMatchObject({ kind: "not_found" });
    await expect(getTeam(ours, { name: "nobody" })).rejects.toMatchObject({ kind: "not_found" });
    for (const ctx of [ours, fleet.viewer]) {
      await expect(putTeam(ctx, { name: "ours", put: { ...described, spec }, precondition: {} })).rejects.toMatchObject(
        { kind: "forbidden" },
      );
      await expect(deleteTeam(ctx, { name: "ours", precondition: {} })).rejects.toMatchObject({ kind: "forbidden" });
    }
    for (const name of ["theirs", "nobody"]) {
      await expect(putTeam(ours, { name, put: { ...described, spec }, precondition: {} })).rejects.toMatchObject({
        kind: "not_found",
      });
      await expect(deleteTeam(ours, { name, precondition: {} })).rejects.toMatchObject({ kind: "not_found" });
    }
    expect((await getTeam(fleet.viewer, { name: "theirs" })).name).toBe("theirs");
  });

  test("a list comes whole in pages of any size", async () => {
    for (let i = 0; i < 5; i++) await fleet.team(`page-${i}`);
    const whole = (await listTeams(fleet.admin, { limit: 500, cursor: null })).items.map(({ name }) => name);
    const names: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await listTeams(fleet.admin, { limit: 2, cursor });
      names.push(...page.items.map(({ name }) => name));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(names).toEqual(whole);
    await expect(listTeams(fleet.admin, { limit: 2, cursor: "bm9uc2Vuc2U" })).rejects.toMatchObject({
      code: "bad_cursor",
    });
  });

  test("a team with routes or domains stays, and one without takes its tokens along", async () => {
    await fleet.team("leaving");
    const { token } = await createToken(fleet.admin, { name: "t", team: "leaving", role: "reader", expiresAt: null });
    await fleet.domain("leaving", "leaving.example.com");
    await expect(deleteTeam(fleet.admin, { name: "leaving", precondition: {} })).rejects.toMatchObject({
      code: "team_in_use",
    });
    await deleteDomain(fleet.admin, { team: "leaving", name: "leaving.example.com" });
    await deleteTeam(fleet.admin, { name: "leaving", precondition: {} });
    expect(await authenticate(fleet.admin, token)).toBeNull();
  });

  test("members are refused as long as nothing acts on them", async () => {
    const put = { ...described, spec: { ...spec, members: [{ group: "g", role: "owner" as const }] } };
    await expect(putTeam(fleet.admin, { name: "members", put, precondition: {} })).rejects.toMatchObject({
      kind: "invalid",
      problems: [{ pointer: "/spec/members", code: "unsupported" }],
    });
  });

  test("the audit log only grows", async () => {
    await fleet.team("audited");
    const all = await database.db.select().from(auditEvents);
    expect(all.find((event) => event.object === "teams/audited")).toMatchObject({
      action: "team.put",
      actor: "system:test",
      before: null,
    });
    await expect(database.db.update(auditEvents).set({ actor: "nobody" })).rejects.toMatchObject({
      cause: { message: "audit_events is append-only" },
    });
    await expect(database.db.delete(auditEvents)).rejects.toThrow();
    expect(await database.db.select().from(auditEvents)).toEqual(all);
  });
});
