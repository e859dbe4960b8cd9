import { HellowayError } from "../errors.ts";

/** Thrown where the embedded database's thread is gone. */
export class EmbeddedDatabaseError extends Error {
  override readonly name = "EmbeddedDatabaseError";
}

// PostgreSQL appendix A: 08 connection exceptions, 57P01-57P03 and 57P05 shutting down or starting, 53300 too many connections,
// 57014 a statement over its time limit, 55P03 a lock not had in time, 25P03 idle in a transaction for too long, 25006 a replica.
const sqlStates = /^(08...|57P0[1235]|57014|55P03|53300|25P03|25006)$/;

const systemCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENOTFOUND",
  "EAI_AGAIN",
  // A Unix socket that is not there (yet).
  "ENOENT",
]);

// pg has no codes for its own.
const messages =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|timeout exceeded when trying to connect|Query read timeout|Cannot use a pool after|timeout expired)/;

/** The SQLSTATE somewhere in the chain of causes; undefined when the database did not answer with one. */
export function sqlState(error: unknown): string | undefined {
  for (const link of causes(error)) {
    if ("code" in link && typeof link.code === "string" && /^[0-9A-Z]{5}$/.test(link.code)) return link.code;
  }
  return undefined;
}

/** The name of the constraint that was violated, when the error is such. */
export function violatedConstraint(error: unknown): string | undefined {
  for (const link of causes(error)) {
    if ("constraint" in link && typeof link.constraint === "string") return link.constraint;
  }
  return undefined;
}

/** Whether the database could not be reached or could not answer now. */
export function isConnectionLoss(error: unknown): boolean {
  for (const link of causes(error)) {
    if (link instanceof EmbeddedDatabaseError || messages.test(link.message)) return true;
    if ("code" in link && typeof link.code === "string" && (sqlStates.test(link.code) || systemCodes.has(link.code)))
      return true;
  }
  return false;
}

/** `unavailable` for a loss of the connection; every other error as it is. */
export function toDatabaseError(error: unknown): unknown {
  if (error instanceof HellowayError || !isConnectionLoss(error)) return error;
  return new HellowayError(
    "unavailable",
    "database_unavailable",
    "The database cannot be reached now. Try again in a moment.",
    {
      cause: error,
      retryAfterSeconds: 2,
    },
  );
}

/** The error, its cause, and so on; the addresses tried by one dial (AggregateError) included. */
function* causes(error: unknown): Generator<Error> {
  let link = error;
  for (let depth = 0; depth < 8 && link instanceof Error; depth++) {
    yield link;
    if (link instanceof AggregateError) {
      for (const inner of link.errors) if (inner instanceof Error) yield inner;
    }
    link = link.cause;
  }
}
