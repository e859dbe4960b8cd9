import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { eachDatabase } from "../../../test/harness/database.ts";
import { ensureAdminToken } from "./admin-token-file.ts";
import { tokens } from "./db/schema/teams.ts";
import { ensureInstallation } from "./fleet/installation.ts";
import { createSealing } from "./fleet/sealing.ts";
import { authenticate } from "./fleet/tokens.ts";

eachDatabase((open) => {
  const prepare = async () => {
    const { db } = await open();
    const now = () => new Date();
    await ensureInstallation(db, { sealing: createSealing("k".repeat(32)), now: now() });
    const dataDirectory = await mkdtemp(join(tmpdir(), "hw-admin-"));
    onTestFinished(() => rm(dataDirectory, { recursive: true, force: true }));
    const warnings: string[] = [];
    const log = { info: () => undefined, warn: (_: object, message: string) => void warnings.push(message) };
    const ensure = () => ensureAdminToken(db, { dataDirectory, now, log });
    const path = join(dataDirectory, "admin-token");
    const signIn = async () => await authenticate({ db, now }, (await readFile(path, "utf8")).trim());
    return { db, dataDirectory, warnings, ensure, path, signIn };
  };

  test("the first start writes an administrator's token that works, later ones leave it", async () => {
    const { ensure, signIn, path, warnings } = await prepare();
    await ensure();
    expect(await signIn()).toMatchObject({ role: "admin" });
    const before = await readFile(path, "utf8");
    await ensure();
    expect(await readFile(path, "utf8")).toBe(before);
    expect(warnings).toEqual([]);
  });

  test("when the file is lost no token is made in its place, and a message says what to do", async () => {
    const { db, ensure, path, dataDirectory, warnings } = await prepare();
    await ensure();
    await rm(path);
    await ensure();
    expect(await db.$count(tokens)).toBe(1);
    expect(await readdir(dataDirectory)).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining("POST /api/v1/tokens")]);
    // Which is true:
    await db.delete(tokens);
    await ensure();
    expect(await readdir(dataDirectory)).toEqual(["admin-token"]);
  });

  test("a file that a start which was cut off left behind is put aside", async () => {
    const { ensure, path, signIn, dataDirectory } = await prepare();
    await writeFile(path, "hwt_of-nobody\n");
    await ensure();
    expect(await signIn()).toMatchObject({ role: "admin" });
    expect(await readdir(dataDirectory)).toHaveLength(2);
  });
});
