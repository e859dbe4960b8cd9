// Starts a Postgres, says where, and is there until it is killed.
import { startPostgres } from "./postgres.ts";

const postgres = await startPostgres();
process.send?.(new URL(postgres.url("postgres").replace("@/", "@localhost/")).searchParams.get("host"));
