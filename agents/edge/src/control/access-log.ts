import type { LogStream } from "@helloway/runtime/logger";

/** What a line has in common with the other lines of the agent's log, beside the time. */
const head = `"level":30,"name":"agent","msg":"connection closed"`;

/**
 * Writes the access log: a line for each connection, when it has ended. What the engine has written is not read again, and lines that
 * come together are written together: at ten thousand connections a second anything else would cost more than they do.
 */
export function accessLog(stream: LogStream): (lines: string) => void {
  return (lines) => {
    const begin = `{${head},"time":"${new Date().toISOString()}",`;
    // Each begins with its own brace.
    stream.write(`${begin}${lines.slice(1, -1).replaceAll("\n{", `\n${begin}`)}\n`);
  };
}
