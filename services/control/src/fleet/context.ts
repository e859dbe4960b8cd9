import type { Db } from "../db/database.ts";
import type { Role } from "../db/schema/teams.ts";
import type { Sealing } from "./sealing.ts";

export type { Precondition } from "./precondition.ts";
export type { Page, PageInput } from "./page.ts";
export type { ObjectView, Put } from "./object-view.ts";

/** Who acts: the bearer of a token, or the system itself (an enrolment, dev's set-up). */
export interface Principal {
  kind: "token" | "system";
  /** The token's id. */
  id: string;
  name: string;
  role: Role;
  /** The team of a team role; null for a role over the fleet. */
  team: string | null;
  teamId: string | null;
}

/** What a verb needs to know about the call. */
export interface Context {
  /** The database, or a transaction that the verb is to be a part of. */
  db: Db;
  principal: Principal;
  requestId: string;
  /** Where it came from, for the audit log: http, enrolment, dev. */
  origin: string;
  now(): Date;
  sealing: Sealing;
}

/** The process itself, with every right. */
export function systemPrincipal(name: string): Principal {
  return { kind: "system", id: name, name, role: "admin", team: null, teamId: null };
}
