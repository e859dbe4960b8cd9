import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Lab, Place } from "./lab.ts";

export interface WrkRun {
  requests: number;
  errors: number;
  seconds: number;
}

const run = promisify(execFile);

const report = `
function done(summary)
  local e = summary.errors
  io.write(string.format('\\n{"requests":%d,"errors":%d,"seconds":%f}\\n', summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, summary.duration / 1e6))
end
`;

/**
 * A script that sends these bytes on every connection. wrk first judges what it is to send, and accepts nothing but HTTP.
 *
 * @param pauseMs how long each of wrk's connections waits before it sends.
 */
export function wrkScript(bytes: Uint8Array, pauseMs = 0): string {
  const escaped = Array.from(bytes, (byte) => `\\${String(byte).padStart(3, "0")}`).join("");
  return `
local bytes = "${escaped}"
local judged = false
function request()
  if judged then return bytes end
  judged = true
  return "GET / HTTP/1.1\\r\\n\\r\\n"
end
${pauseMs > 0 ? `function delay() return ${pauseMs} end` : ""}
`;
}

/**
 * Lets wrk do its work for some seconds and answers with what it did.
 *
 * @param options.script Lua that says what is sent; absent: GET of the URL.
 * @throws when a request in a hundred or more failed.
 */
export async function wrk(
  lab: Lab,
  url: string,
  options: {
    connections: number;
    threads?: number;
    seconds: number;
    place: Place;
    script?: string;
    close?: boolean;
    host?: string;
  },
): Promise<WrkRun> {
  const script = lab.file("wrk.lua", `${options.script ?? ""}${report}`);
  const { connections, threads = 1, seconds } = options;
  const headers = [
    ...(options.close ? ["-H", "Connection: close"] : []),
    ...(options.host ? ["-H", `Host: ${options.host}`] : []),
  ];
  const args = ["-t", threads, "-c", connections, "-d", `${seconds}s`, "-s", script, ...headers, url].map(String);
  const [command, ...rest] = lab.command("wrk", args, options.place);
  const { stdout } = await run(command, rest);
  const result = JSON.parse(stdout.slice(stdout.lastIndexOf("\n{"))) as WrkRun;
  if (result.errors > result.requests / 100) throw new Error(`${url}: ${result.errors} errors in ${result.requests}`);
  return result;
}
