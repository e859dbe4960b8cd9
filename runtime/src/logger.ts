import { createRequire } from "node:module";
import type PinoPretty from "pino-pretty";
import { type DestinationStream as LogStream, type Level, type Logger, pino } from "pino";

export type { LogStream };
export type { Logger } from "pino";

export interface LoggerOptions {
  level: Level | "silent";
  /** Absent: pretty on a terminal, else json. */
  format?: "json" | "pretty" | undefined;
  /** Which process speaks. */
  name: string;
  /** Absent: standard error. */
  destination?: LogStream;
}

/** What may never reach a log, wherever an object that holds it is logged. */
const secretFields = ["token", "joinToken", "authorization", "secretKey", "password", "privateKey", "key"];

/** A logger on standard error, written synchronously so that the last words of a dying process are there. */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      name: options.name,
      level: options.level,
      base: { name: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: "[redacted]" },
    },
    createLogStream(options),
  );
}

/** What a logger with these options writes to: takes lines of JSON, one or several at a time. */
export function createLogStream(options: Pick<LoggerOptions, "format" | "destination">): LogStream {
  const format = options.format ?? (process.stderr.isTTY ? "pretty" : "json");
  const destination = options.destination ?? pino.destination({ fd: 2, sync: true });
  return format === "pretty" ? prettyStream(destination) : destination;
}

/**
 * Line by line rather than as the stream it also offers, which would write later than it was told to. Loaded only when wanted: it
 * costs a process that logs JSON a tenth of its start.
 */
function prettyStream(destination: LogStream): LogStream {
  const require = createRequire(import.meta.url);
  const { prettyFactory } = require("pino-pretty") as typeof PinoPretty;
  const print = prettyFactory({
    ignore: "pid,hostname",
    translateTime: "SYS:HH:MM:ss.l",
    colorize: process.stderr.isTTY,
  });
  return {
    write(lines) {
      for (const line of lines.trimEnd().split("\n")) destination.write(print(line));
    },
  };
}
