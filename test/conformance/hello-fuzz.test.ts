// Throws a minute of generated and damaged hellos at the parser and at Node's own TLS server. HELLOWAY_FUZZ_SECONDS sets how
// long, HELLOWAY_FUZZ_SEED (printed by every run) repeats a run. A find belongs into test/vectors/regressions.json.
import { createSecureContext } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import { HelloParser } from "@helloway/edge/relay/hello/hello-parser";
import type { HelloVerdict } from "@helloway/edge/relay/hello/hello";
import { canonicalName } from "@helloway/routing/name";
import { createSelfSignedCertificate } from "@helloway/runtime/self-signed-certificate";
import { expect, test } from "vitest";
import { generateHello, toRecords } from "../vectors/hello-generator.ts";
import { mutate } from "../vectors/mutate.ts";
import { readWithNodeTls, type TlsReading } from "../vectors/node-tls-reading.ts";
import { Random } from "../vectors/random.ts";
import { readVectors, verdictOf } from "../vectors/vectors.ts";

const seconds = Number(process.env["HELLOWAY_FUZZ_SECONDS"] ?? 60);
const seed = Number(process.env["HELLOWAY_FUZZ_SEED"] ?? Date.now() % 2 ** 32);
const BATCH = 50;

const vectorFiles = ["edge-cases.json", "real-hellos.jsonl", "regressions.json"];
const recorded = vectorFiles
  .flatMap((file) => readVectors(new URL(`../vectors/${file}`, import.meta.url).pathname))
  .map((vector) => vector.bytes)
  .filter((bytes) => bytes.length > 0);

function nextCase(random: Random): Uint8Array {
  switch (random.below(8)) {
    case 0:
      return mutate(random, random.pick(recorded), recorded);
    case 1:
      return mutate(random, generateHello(random), recorded);
    case 2:
      return mutate(random, toRecords(random, messageOf(random.pick(recorded))), recorded);
    case 3:
      return toRecords(random, messageOf(random.pick(recorded)));
    default:
      return generateHello(random);
  }
}

/** The payload of the first record: a whole hello in nearly all recordings. */
function messageOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(5);
}

/** What must hold of the parser alone; returns its verdict on the whole. */
function checkParser(random: Random, bytes: Uint8Array): HelloVerdict {
  const whole = verdictOf(bytes);
  for (const sizeMax of [1, 1 + random.below(bytes.length)]) {
    const parser = new HelloParser();
    let verdict: HelloVerdict = { kind: "incomplete" };
    let decided: HelloVerdict | null = null;
    for (let at = 0; at < bytes.length;) {
      const size = sizeMax === 1 ? 1 : 1 + random.below(sizeMax);
      verdict = parser.push(bytes.subarray(at, at + size));
      // Not expect(): it would cost more than the parser, millions of times.
      if (decided && verdict !== decided) throw new Error(`a verdict changed: ${Buffer.from(bytes).toString("hex")}`);
      else if (verdict.kind !== "incomplete") decided = verdict;
      at += size;
    }
    expect(isDeepStrictEqual(verdict, whole), `cut otherwise: ${Buffer.from(bytes).toString("hex")}`).toBe(true);
  }
  return whole;
}

/** null, or what Node's TLS server and the parser disagree about. */
function disagreement(verdict: HelloVerdict, reading: TlsReading): string | null {
  if (verdict.kind === "rejected") return null;
  if (reading.serverName !== null) {
    if (verdict.kind === "incomplete") return `Node read ${reading.serverName} where the parser wants more`;
    const ours = verdict.hello.serverName;
    const name = ours === null ? null : Buffer.from(ours).toString("latin1");
    const same = name !== null && canonical(name) === canonical(reading.serverName);
    if (!same) return `Node read ${JSON.stringify(reading.serverName)}, the parser ${JSON.stringify(name)}`;
  }
  if (reading.protocols !== null) {
    if (verdict.kind === "incomplete") return "Node read protocols where the parser wants more";
    const ours = [...verdict.hello.alpn].map((protocol) => Buffer.from(protocol).toString("ascii"));
    if (JSON.stringify(ours) !== JSON.stringify(reading.protocols)) {
      return `Node read protocols ${JSON.stringify(reading.protocols)}, the parser ${JSON.stringify(ours)}`;
    }
  }
  return null;
}

function canonical(name: string): string | null {
  return canonicalName(Buffer.from(name, "latin1"));
}

test(
  "never throws, answers alike however the bytes are cut, and reads the name that Node's TLS server reads",
  { timeout: seconds * 1000 + 60_000 },
  async () => {
    const { key, cert } = await createSelfSignedCertificate(["app.example.test"]);
    const context = createSecureContext({ key, cert, minVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" });
    const random = new Random(seed);
    const tally = { cases: 0, hellos: 0, rejected: 0, incomplete: 0, namesRead: 0, protocolsRead: 0 };
    const end = performance.now() + seconds * 1000;
    do {
      const batch = Array.from({ length: BATCH }, () => nextCase(random));
      await Promise.all(
        batch.map(async (bytes) => {
          const verdict = checkParser(random, bytes);
          const offersAlpn = verdict.kind === "hello" && !verdict.hello.alpn.isEmpty;
          const reading = await readWithNodeTls(bytes, context, offersAlpn);
          const problem = disagreement(verdict, reading);
          if (problem !== null) expect.fail(`${problem}; seed ${seed}, bytes ${Buffer.from(bytes).toString("hex")}`);
          tally.cases++;
          tally[verdict.kind === "hello" ? "hellos" : verdict.kind]++;
          if (reading.serverName !== null) tally.namesRead++;
          if (reading.protocols !== null) tally.protocolsRead++;
        }),
      );
    } while (performance.now() < end);
    process.stdout.write(`hello fuzz: seed ${seed}, ${JSON.stringify(tally)}\n`);
    expect(tally.namesRead).toBeGreaterThan(tally.cases / 10);
  },
);
