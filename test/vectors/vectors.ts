// Recorded and hand-made byte streams with what a parser must make of them: reading them, and judging our parser by them.
//
// Two formats. An array of edge cases: `hex`, `verdict` (route, nosni, noroute, reject, close, timeout), `alert`, and `sni`,
// `alpn` where they are to be read. And one recorded hello a line: `b64` and `expect` with `versions` as sent, GREASE included.
import { readFileSync } from "node:fs";
import { HelloParser } from "@helloway/edge/relay/hello/hello-parser";
import { alerts } from "@helloway/routing/alert";
import { type HelloVerdict, type ParsedHello } from "@helloway/edge/relay/hello/hello";
import { canonicalName } from "@helloway/routing/name";

interface EdgeCase {
  id: string;
  source: string;
  hex: string;
  verdict: "route" | "nosni" | "noroute" | "reject" | "close" | "timeout";
  sni: string | null;
  alpn: string[] | null;
  alert: string | null;
}

interface RecordedHello {
  id: string;
  source: string;
  b64: string;
  expect: {
    verdict: "ok" | "need_more" | "reject";
    sni?: string | null;
    alpn?: string[];
    versions?: string[];
    ech?: boolean;
    records?: number;
  };
}

export interface Vector {
  id: string;
  /** Where it comes from. */
  source: string;
  bytes: Uint8Array;
  /** What is wrong with a verdict about all of the bytes; null: nothing. */
  judge: (verdict: HelloVerdict) => string | null;
}

/** @throws Error naming the file when it is in neither format. */
export function readVectors(path: string): Vector[] {
  const text = readFileSync(path, "utf8");
  try {
    if (text.trimStart().startsWith("[")) return (JSON.parse(text) as EdgeCase[]).map(fromEdgeCase);
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    return lines.map((line) => fromRecording(JSON.parse(line) as RecordedHello));
  } catch (error) {
    throw new Error(`${path} holds neither an array of edge cases nor a recorded hello a line.`, { cause: error });
  }
}

/** The verdict on the bytes pushed at once. */
export function verdictOf(bytes: Uint8Array): HelloVerdict {
  return new HelloParser().push(bytes);
}

function fromEdgeCase(row: EdgeCase): Vector {
  return {
    id: row.id,
    source: row.source,
    bytes: Buffer.from(row.hex, "hex"),
    judge: (verdict) => judgeEdgeCase(row, verdict),
  };
}

function judgeEdgeCase(row: EdgeCase, verdict: HelloVerdict): string | null {
  switch (row.verdict) {
    case "close":
    case "timeout":
      return verdict.kind === "incomplete" ? null : describe(verdict);
    case "reject":
      return verdict.kind === "rejected" ? judgeAlert(row, alertName(verdict.rejection.alert)) : describe(verdict);
    case "nosni":
      if (verdict.kind !== "hello" || verdict.hello.serverName !== null) return describe(verdict);
      return judgeAlpn(row.alpn, verdict.hello);
    case "noroute":
    case "route":
      if (verdict.kind !== "hello" || verdict.hello.serverName === null) return describe(verdict);
      return judgeName(row, verdict.hello.serverName) ?? judgeAlpn(row.alpn, verdict.hello);
  }
}

/** Names that no route is for may be well-formed ones: then only what was read counts. */
function judgeName(row: EdgeCase, serverName: Uint8Array): string | null {
  const name = canonicalName(serverName);
  if (row.verdict === "route") return name === row.sni ? null : `name ${name}, not ${row.sni}`;
  return row.sni === null || latin1(serverName) === row.sni ? null : `name ${latin1(serverName)}, not ${row.sni}`;
}

function judgeAlert(row: EdgeCase, alert: string): string | null {
  return (row.alert ?? "").split("|").includes(alert) ? null : `alert ${alert}, not ${row.alert}`;
}

const alertNames: Record<keyof typeof alerts, string> = {
  unexpectedMessage: "unexpected_message",
  recordOverflow: "record_overflow",
  illegalParameter: "illegal_parameter",
  decodeError: "decode_error",
  protocolVersion: "protocol_version",
  internalError: "internal_error",
  missingExtension: "missing_extension",
  unrecognizedName: "unrecognized_name",
  noApplicationProtocol: "no_application_protocol",
};

function alertName(alert: number | null): string {
  for (const key of Object.keys(alerts) as (keyof typeof alerts)[]) if (alerts[key] === alert) return alertNames[key];
  return "none";
}

function judgeAlpn(expected: string[] | null | undefined, hello: ParsedHello): string | null {
  if (!expected) return null;
  const alpn = [...hello.alpn].map(latin1);
  return sameList(alpn, expected) ? null : `alpn ${alpn.join(",")}, not ${expected.join(",")}`;
}

function fromRecording({ id, source, b64, expect }: RecordedHello): Vector {
  return { id, source, bytes: Buffer.from(b64, "base64"), judge: (verdict) => judgeRecording(expect, verdict) };
}

function judgeRecording(expect: RecordedHello["expect"], verdict: HelloVerdict): string | null {
  if (expect.verdict === "need_more") return verdict.kind === "incomplete" ? null : describe(verdict);
  if (expect.verdict === "reject") return verdict.kind === "rejected" ? null : describe(verdict);
  if (verdict.kind !== "hello") return describe(verdict);
  const { serverName, versions, ech, records } = verdict.hello;
  const name = serverName === null ? null : latin1(serverName);
  if (name !== (expect.sni ?? null)) return `name ${name}, not ${expect.sni}`;
  const offered = (expect.versions ?? []).filter((version) => !/^(.)a\1a$/.test(version));
  const read = versions.map((version) => version.toString(16).padStart(4, "0"));
  if (expect.versions && expect.versions.length > 0 && !sameList(read, offered))
    return `versions ${read.join()}, not ${offered.join()}`;
  if (expect.ech !== undefined && ech !== expect.ech) return `ech ${ech}`;
  if (expect.records !== undefined && records !== expect.records) return `${records} records, not ${expect.records}`;
  return judgeAlpn(expect.alpn, verdict.hello);
}

function describe(verdict: HelloVerdict): string {
  if (verdict.kind === "rejected") return `rejected: ${verdict.rejection.reason}, ${verdict.rejection.detail}`;
  if (verdict.kind === "incomplete") return "incomplete";
  return `a hello with ${verdict.hello.serverName === null ? "no name" : `the name ${latin1(verdict.hello.serverName)}`}`;
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
