import { eachDatabase } from "@helloway/test/harness/database";
import { expect, test } from "vitest";
import { installation } from "../db/schema/installation.ts";
import { ensureInstallation } from "./installation.ts";
import { createSealing } from "./sealing.ts";

const now = new Date("2026-11-23T12:00:00Z");
const sealingOf = (...keys: string[]) => createSealing(keys.map((key) => key.repeat(32)).join(","));

eachDatabase((open) => {
  test("a database is one installation, of one secret key", async () => {
    const { db } = await open();
    const made = await ensureInstallation(db, { sealing: sealingOf("a"), now });
    expect(made).toMatchObject({ epoch: 1, created: true });
    expect(await ensureInstallation(db, { sealing: sealingOf("a"), now })).toEqual({ ...made, created: false });
    await expect(ensureInstallation(db, { sealing: sealingOf("b"), now })).rejects.toMatchObject({
      code: "wrong_secret_key",
    });
    expect(await db.select().from(installation)).toHaveLength(1);
  });

  test("new,old changes the key", async () => {
    const { db } = await open();
    await ensureInstallation(db, { sealing: sealingOf("a"), now });
    await ensureInstallation(db, { sealing: sealingOf("b", "a"), now });
    await ensureInstallation(db, { sealing: sealingOf("b"), now });
    await expect(ensureInstallation(db, { sealing: sealingOf("a"), now })).rejects.toMatchObject({
      code: "wrong_secret_key",
    });
  });

  test("replicas that start together agree", async () => {
    const { db } = await open();
    const all = await Promise.all(
      Array.from({ length: 5 }, () => ensureInstallation(db, { sealing: sealingOf("a"), now })),
    );
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(all.filter(({ created }) => created)).toHaveLength(1);
  });
});
