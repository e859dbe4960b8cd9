import type { Endpoint } from "./endpoint.ts";

/** What a PROXY header says of the connection. */
export interface ProxyHeader {
  version: 1 | 2;
  /** The client's end; null: the header names none (LOCAL, UNSPEC, UNKNOWN, UNIX), and the socket's own addresses count. */
  source: Endpoint | null;
  /** The end that the client had connected to; null together with the source. */
  destination: Endpoint | null;
}

/** The three outcomes, and there is no fourth: no input makes the parser throw. */
export type ProxyHeaderVerdict =
  | { kind: "incomplete" }
  /** used: bytes that belong to the header, of all that was pushed; what follows them is the client's. */
  | { kind: "header"; header: ProxyHeader; used: number }
  /** detail: why, for the log. */
  | { kind: "bad"; detail: string };
