// The HTTP API over a database, called as a function: what runs in a process and what runs as a serverless function is this.
import { createFirstAdminToken } from "@helloway/control/fleet/admin-token";
import { ensureAuthority } from "@helloway/control/fleet/authority";
import { ensureInstallation } from "@helloway/control/fleet/installation";
import { createSealing } from "@helloway/control/fleet/sealing";
import { createApp } from "@helloway/control/http/app";
import type { Database } from "@helloway/control/db/database";
import type { HttpDependencies } from "@helloway/control/http/dependencies";
import { expect } from "vitest";
import type { ZodType } from "zod";

export interface CallOptions {
  /** Absent: the administrator's; null: none. */
  token?: string | null;
  /** An object is sent as JSON, text as it is. */
  body?: object | string;
  headers?: Record<string, string>;
}

export interface Answer<Body> {
  status: number;
  headers: Headers;
  body: Body;
}

export interface Api {
  adminToken: string;
  /** What the log got, so that a test can see that nothing else did. */
  errors: object[];
  app: ReturnType<typeof createApp>;
  /** Calls the API; the answer is checked against the OpenAPI document's schema for it. */
  call<Body = Json>(method: string, path: string, options?: CallOptions): Promise<Answer<Body>>;
  /** Makes a token of a role; team null for the whole fleet. */
  tokenOf(role: string, team?: string | null): Promise<string>;
}

/** Bodies as tests look at them: any field, checked by what they expect of it. */
// oxlint-disable-next-line typescript/no-explicit-any -- a body is checked by its schema and by the test's expectation
export type Json = any;

/** A ready installation over a migrated, empty database. */
export async function startApi(database: Database, overrides: Partial<HttpDependencies> = {}): Promise<Api> {
  const sealing = createSealing("test-key-".repeat(5));
  const now = overrides.now ?? (() => new Date());
  await ensureInstallation(database.db, { sealing, now: now() });
  await ensureAuthority(database.db, { sealing, now: now() });
  const adminToken = await createFirstAdminToken(database.db, { now });
  if (adminToken === null) throw new Error("the database is not empty");
  const errors: object[] = [];
  const app = createApp({
    database,
    sealing,
    now,
    log: { error: (fields) => errors.push(fields) },
    publicUrl: null,
    loopback: true,
    grpcPublicAddress: "127.0.0.1:8081",
    docsScript: () => Promise.resolve(new TextEncoder().encode("script")),
    ...overrides,
  });

  async function call<Body>(method: string, path: string, options: CallOptions = {}): Promise<Answer<Body>> {
    const { token = adminToken, body, headers } = options;
    const request = new Request(`http://localhost${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const response = await app.fetch(request);
    const text = await response.text();
    const type = response.headers.get("content-type") ?? "";
    const read = text === "" ? null : type.includes("json") ? (JSON.parse(text) as unknown) : text;
    checkDocumented(app, { method, path, status: response.status, type, body: read });
    return { status: response.status, headers: response.headers, body: read as Body };
  }

  async function tokenOf(role: string, team: string | null = null): Promise<string> {
    const answer = await call<{ token: string }>("POST", "/api/v1/tokens", {
      body: { name: `${role}-${team}`, role, team },
    });
    expect(answer.status).toBe(201);
    return answer.body.token;
  }

  return { adminToken, errors, app, call, tokenOf };
}

/** Fails for a status, type or field that the operation does not document. Paths that are not served are problems of no operation. */
function checkDocumented(
  app: Api["app"],
  answer: { method: string; path: string; status: number; type: string; body: unknown },
): void {
  const path = new URL(answer.path, "http://localhost").pathname;
  const where = `${answer.method} ${answer.path} -> ${answer.status} ${JSON.stringify(answer.body)}`;
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== "route" || definition.route.method !== answer.method.toLowerCase()) continue;
    const pattern = new RegExp(`^${definition.route.path.replaceAll(/\{\w+\}/g, "[^/]+")}$`);
    if (!pattern.test(path)) continue;
    const documented = definition.route.responses[answer.status];
    if (documented === undefined || "$ref" in documented) throw new Error(`not documented: ${where}`);
    const media = documented.content?.[answer.type.split(";")[0] ?? ""];
    if (media === undefined || "$ref" in media) return expect(answer.body, where).toBeNull();
    expect((media.schema as ZodType).parse(answer.body), where).toEqual(answer.body);
    return;
  }
}
