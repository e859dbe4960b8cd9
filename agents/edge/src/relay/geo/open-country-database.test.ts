import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { parseAddress } from "@helloway/routing/address";
import { countryRecord, mmdbFile } from "@helloway/test/harness/mmdb-file";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openCountryDatabase } from "./open-country-database.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "country-database-"));
});

afterAll(() => rm(folder, { recursive: true }));

async function fileOf(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

test("a file is read into memory that threads share", async () => {
  const path = await fileOf("good.mmdb", mmdbFile({ networks: [["192.0.2.0/24", countryRecord("DE")]] }));
  const database = await openCountryDatabase(path);
  expect(database.countryOf(parseAddress("192.0.2.1")!)).toBe("DE");
  expect(database.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(await countryInThread(database.bytes, "192.0.2.1")).toBe("DE");
});

/** Asks a thread that got the bytes. */
async function countryInThread(bytes: Uint8Array, text: string): Promise<unknown> {
  const source = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(workerData.module).then(({ readCountryDatabase }) => {
      const { bytes, text } = workerData;
      const shared = bytes.buffer instanceof SharedArrayBuffer;
      parentPort.postMessage(shared && readCountryDatabase(bytes).countryOf({ family: 4, text }));
    });`;
  const module = new URL("country-database.ts", import.meta.url).href;
  const worker = new Worker(source, { eval: true, workerData: { module, bytes, text } });
  try {
    return await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  } finally {
    await worker.terminate();
  }
}

test("a file that is missing, a folder and a file of something else are told by path and problem", async () => {
  const missing = join(folder, "missing.mmdb");
  await expect(openCountryDatabase(missing)).rejects.toThrow(/missing\.mmdb cannot be used: .*ENOENT/);
  await expect(openCountryDatabase(folder)).rejects.toThrow(/cannot be used: it is no file/);
  const text = await fileOf("countries.csv", Buffer.from("DE,192.0.2.0/24\n"));
  await expect(openCountryDatabase(text)).rejects.toThrow(/countries\.csv cannot be used: it is no MMDB file/);
  const empty = await fileOf("empty.mmdb", new Uint8Array(0));
  await expect(openCountryDatabase(empty)).rejects.toThrow(/empty\.mmdb cannot be used: it is no MMDB file/);
});
