import { createFleet, type Fleet } from "@helloway/test/harness/fleet";
import { eachDatabase } from "@helloway/test/harness/database";
import { checkTable } from "@helloway/test/harness/table-replay";
import { beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../db/database.ts";
import { auditEvents } from "../db/schema/audit.ts";
import { domains } from "../db/schema/teams.ts";
import type { Context } from "./context.ts";
import { approveDomain, createDomain, deleteDomain, getDomain, listDomains } from "./domains.ts";
import { objectKinds } from "./encode-object.ts";
import { deleteRoute } from "./routes.ts";

eachDatabase((open) => {
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
  });

  const create = (ctx: Context, team: string, name: string, scope: "exact" | "tree" = "tree") =>
    createDomain(ctx, { team, name, scope });

  test("a claim is pending and says what proves it", async () => {
    const tree = await create(ours, "ours", "Claim.Example.COM.");
    expect(tree).toMatchObject({
      name: "claim.example.com",
      team: "ours",
      spec: { scope: "tree" },
      status: {
        state: "pending",
        approvedBy: null,
        verifiedAt: null,
        challenge: { recordName: "_helloway-tree-challenge.claim.example.com" },
      },
    });
    expect(tree.status.challenge.recordValue).toMatch(/^[\w-]{43}$/);
    const exact = await create(ours, "ours", "exact.example.com", "exact");
    expect(exact.status.challenge.recordName).toBe("_helloway-host-challenge.exact.example.com");
    await expect(create(ours, "ours", "claim.example.com", "exact")).rejects.toMatchObject({ code: "domain_exists" });
    expect(await getDomain(ours, { team: "ours", name: "claim.example.com" })).toEqual(tree);
  });

  test.each([
    ["com", "public_suffix"],
    ["co.uk", "public_suffix"],
    ["*.example.com", "bad_wildcard"],
    ["192.0.2.1", "unmatchable_name"],
    ["exämple.com", "not_ascii"],
    ["a..b", "unmatchable_name"],
    ["", "unmatchable_name"],
  ])("%j cannot be claimed: %s", async (name, code) => {
    await expect(create(ours, "ours", name)).rejects.toMatchObject({ code, problems: [{ pointer: "/name", code }] });
  });

  test.each(["localhost", "corp", "github.io", "example.co.uk"])("%s can be claimed", async (name) => {
    expect((await create(ours, "ours", name)).status.state).toBe("pending");
  });

  test("another team's claims are not there", async () => {
    await create(theirs, "theirs", "private.example.com");
    const target = { team: "theirs", name: "private.example.com" };
    for (const act of [getDomain, approveDomain, deleteDomain]) {
      await expect(act(ours, target)).rejects.toMatchObject({ kind: "not_found" });
    }
    await expect(listDomains(ours, { team: "theirs", limit: 10, cursor: null })).rejects.toMatchObject({
      kind: "not_found",
    });
    await expect(create(ours, "theirs", "x.example.com")).rejects.toMatchObject({ kind: "not_found" });
    await expect(create(await fleet.member("ours", "reader"), "ours", "x.example.com")).rejects.toMatchObject({
      kind: "forbidden",
    });
  });

  test("an administrator's approval verifies, once, and is in the audit log", async () => {
    await create(ours, "ours", "approved.example.com");
    const target = { team: "ours", name: "approved.example.com" };
    const approved = await approveDomain(fleet.admin, target);
    expect(approved).toMatchObject({ version: 2, status: { state: "verified", approvedBy: "test" } });
    expect(await approveDomain(fleet.admin, target)).toEqual(approved);
    const events = await database.db.select().from(auditEvents);
    expect(
      events.filter((event) => event.object.endsWith("approved.example.com")).map((event) => event.action),
    ).toEqual(["domain.create", "domain.approve"]);
    await expect(approveDomain(ours, target)).rejects.toMatchObject({ kind: "forbidden" });
  });

  test("any number of teams claim a name and one holds it", async () => {
    await create(ours, "ours", "contested.example.com", "exact");
    await create(theirs, "theirs", "contested.example.com");
    await approveDomain(fleet.admin, { team: "ours", name: "contested.example.com" });
    const second = { team: "theirs", name: "contested.example.com" };
    await expect(approveDomain(fleet.admin, second)).rejects.toMatchObject({
      code: "domain_taken",
      message: expect.stringContaining("ours"),
    });
    await deleteDomain(ours, { team: "ours", name: "contested.example.com" });
    expect((await approveDomain(fleet.admin, second)).status.state).toBe("verified");
  });

  describe("inside another team's tree", () => {
    test("a domain is approved only when the other team's routes serve nothing of it", async () => {
      await fleet.domain("ours", "outer.example.com");
      await fleet.route(ours, "ours", "inside", { hostnames: ["a.inner.outer.example.com", "*.outer.example.com"] });
      await create(theirs, "theirs", "inner.outer.example.com");
      const target = { team: "theirs", name: "inner.outer.example.com" };
      await expect(approveDomain(fleet.admin, target)).rejects.toMatchObject({
        code: "names_in_use",
        message: expect.stringContaining("ours/inside (a.inner.outer.example.com)"),
      });
      await fleet.route(ours, "ours", "inside", { hostnames: ["b.outer.example.com", "*.outer.example.com"] });
      await approveDomain(fleet.admin, target);
      await expect(
        fleet.route(ours, "ours", "late", { hostnames: ["c.inner.outer.example.com"] }),
      ).rejects.toMatchObject({
        code: "domain_not_verified",
      });
      await fleet.route(theirs, "theirs", "theirs", { hostnames: ["c.inner.outer.example.com"] });
      await checkTable(database.db, "main");
    });

    test("a name of the other team deeper inside its own domain does not stand in the way", async () => {
      await fleet.domain("ours", "deep.middle.example.com", "exact");
      await fleet.route(ours, "ours", "deep", { hostnames: ["deep.middle.example.com"] });
      await fleet.domain("theirs", "middle.example.com");
      await fleet.route(ours, "ours", "deep", { hostnames: ["deep.middle.example.com"], wildcardDepth: "one" });
    });
  });

  describe("giving a domain up", () => {
    test("is refused while a route needs it", async () => {
      await fleet.domain("ours", "used.example.com");
      await fleet.route(ours, "ours", "used", { hostnames: ["*.used.example.com"] });
      const target = { team: "ours", name: "used.example.com" };
      await expect(deleteDomain(ours, target)).rejects.toMatchObject({
        code: "domain_in_use",
        message: expect.stringContaining("ours/used (*.used.example.com)"),
      });
      await deleteRoute(ours, { team: "ours", name: "used", precondition: {} });
      await deleteDomain(ours, target);
      await expect(getDomain(ours, target)).rejects.toMatchObject({ kind: "not_found" });
    });

    test("is fine when an outer domain of the team covers the routes", async () => {
      await fleet.domain("ours", "wide.example.com");
      await fleet.domain("ours", "narrow.wide.example.com");
      await fleet.route(ours, "ours", "narrow", { hostnames: ["narrow.wide.example.com"] });
      await deleteDomain(ours, { team: "ours", name: "narrow.wide.example.com" });
      await expect(deleteDomain(ours, { team: "ours", name: "wide.example.com" })).rejects.toMatchObject({
        code: "domain_in_use",
      });
    });

    test("is refused when the routes would be another team's", async () => {
      await fleet.domain("ours", "island.sea.example.com");
      await fleet.route(ours, "ours", "island", { hostnames: ["island.sea.example.com"] });
      await fleet.domain("theirs", "sea.example.com");
      await expect(deleteDomain(ours, { team: "ours", name: "island.sea.example.com" })).rejects.toMatchObject({
        code: "domain_in_use",
      });
    });
  });

  describe("barriers", () => {
    /** Ids of the pool's barriers. */
    const barriers = async () =>
      (await checkTable(database.db, "main"))
        .filter((entry) => entry.startsWith(`${objectKinds.barrier} `))
        .map((entry) => entry.split(" ")[1]);
    const idOf = async (name: string) => {
      return (await database.db.select().from(domains)).find((row) => row.name === name)?.id;
    };

    test("come with another team's wildcard above and go with it", async () => {
      await fleet.domain("ours", "wild.example.net");
      await fleet.domain("theirs", "x_y.wild.example.net", "exact");
      await fleet.domain("ours", "own.wild.example.net");
      const before = await barriers();
      await fleet.route(ours, "ours", "wild", { hostnames: ["*.wild.example.net"] });
      expect((await barriers()).filter((id) => !before.includes(id))).toEqual([await idOf("x_y.wild.example.net")]);
      await fleet.route(ours, "ours", "wild", { hostnames: ["wild.example.net"] });
      expect(await barriers()).toEqual(before);
    });

    test("come when a domain below a wildcard is verified, and go when it is given up", async () => {
      await fleet.domain("ours", "later.example.net");
      await fleet.route(ours, "ours", "later", { hostnames: ["*.later.example.net"] });
      const before = await barriers();
      await fleet.domain("theirs", "a.later.example.net");
      const id = await idOf("a.later.example.net");
      expect((await barriers()).filter((one) => !before.includes(one))).toEqual([id]);
      await deleteDomain(theirs, { team: "theirs", name: "a.later.example.net" });
      expect(await barriers()).toEqual(before);
    });

    test("leave a team's own wildcard to its own domains inside", async () => {
      await fleet.domain("ours", "nest.example.net");
      await fleet.route(ours, "ours", "nest", { hostnames: ["*.nest.example.net"] });
      const before = await barriers();
      await fleet.domain("theirs", "t.nest.example.net");
      await fleet.domain("theirs", "u.t.nest.example.net");
      expect((await barriers()).filter((id) => !before.includes(id))).toEqual([await idOf("t.nest.example.net")]);
      // Without the outer one the inner one is on its own against the wildcard.
      await deleteDomain(theirs, { team: "theirs", name: "t.nest.example.net" });
      expect((await barriers()).filter((id) => !before.includes(id))).toEqual([await idOf("u.t.nest.example.net")]);
    });
  });
});
