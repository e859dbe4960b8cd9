import type { Database } from "../db/database.ts";
import type { Sealing } from "../fleet/sealing.ts";

/** The part of a pino logger that is used here. */
export interface HttpLog {
  error(fields: object, message: string): void;
}

/** All that the API needs; nothing of it is opened, closed or timed here. */
export interface HttpDependencies {
  database: Pick<Database, "db" | "ping">;
  sealing: Sealing;
  now: () => Date;
  log: HttpLog;
  /** Where people reach the API, for example "https://helloway.example.com"; null: only under a loopback name. */
  publicUrl: string | null;
  /** Whether the listener is bound to loopback: only then is a loopback name a good Host. */
  loopback: boolean;
  /** "host:port" that join commands print. */
  grpcPublicAddress: string;
  /** The bytes of the standalone script of @scalar/api-reference, for /docs. */
  docsScript: () => Promise<Uint8Array>;
}
