// What the main thread and the embedded database's thread say to each other. Requests are answered in the order they were sent.

export type EmbeddedRequest =
  | { id: number; op: "query"; sql: string; params: unknown[]; rowMode: "array" | "object" }
  | { id: number; op: "exec"; sql: string }
  | { id: number; op: "close" };

export interface EmbeddedRows {
  rows: unknown[];
  affectedRows: number;
}

/** What PGlite says of a refused statement, which structured cloning would drop from an Error. */
export interface EmbeddedFailure {
  message: string;
  code?: string | undefined;
  detail?: string | undefined;
  constraint?: string | undefined;
}

export type EmbeddedReply =
  | { type: "ready" }
  | { type: "result"; id: number; result: EmbeddedRows }
  | { type: "failure"; id: number; failure: EmbeddedFailure }
  | { type: "notification"; channel: string; payload: string };
