import { Validator } from "@seriousme/openapi-schema-validator";
import { beforeAll, describe, expect, test } from "vitest";
import { openPostgres } from "../db/postgres.ts";
import { createSealing } from "../fleet/sealing.ts";
import { z, type ZodType } from "zod";
import { createApp } from "./app.ts";
import { toProblems } from "./zod-problems.ts";
import type { RouteConfig } from "@hono/zod-openapi";

interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security?: object[];
  parameters?: { name: string; in: string; description?: string }[];
  requestBody?: { content: { "application/json": { schema: { $ref: string } } } };
  responses: Record<string, { description: string; content?: Record<string, { schema: { $ref?: string } }> }>;
}

interface Document {
  openapi: string;
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, { example?: unknown }> };
}

const fromNoDatabase = openPostgres("postgres://unused", { applicationName: "test" });
const app = createApp({
  database: fromNoDatabase,
  sealing: createSealing("k".repeat(43)),
  now: () => new Date(),
  log: { error: () => {} },
  publicUrl: null,
  loopback: true,
  grpcPublicAddress: "127.0.0.1:8081",
  docsScript: () => Promise.resolve(new TextEncoder().encode("script")),
});

let document: Document;
let operations: { name: string; path: string; operation: Operation }[];

beforeAll(async () => {
  document = (await (await app.fetch(new Request("http://localhost/openapi.json"))).json()) as Document;
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation })),
  );
});

const registered = (): RouteConfig[] =>
  app.openAPIRegistry.definitions.flatMap((definition) => (definition.type === "route" ? [definition.route] : []));

function bodySchemaOf(route: RouteConfig): ZodType | undefined {
  const media = route.request?.body?.content["application/json"];
  return media !== undefined && "schema" in media ? (media.schema as ZodType) : undefined;
}

describe("the OpenAPI document", () => {
  test("is valid OpenAPI 3.1", async () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    const result = await new Validator().validate({ ...structuredClone(document) });
    expect(result.errors).toBeUndefined();
    expect(result.valid).toBe(true);
  });

  test("lists exactly the routes that are served", () => {
    const served = app.routes
      .filter((route) => route.method !== "ALL")
      .map((route) => `${route.method} ${route.path.replaceAll(/:(\w+)/g, "{$1}")}`);
    expect(operations.map(({ name }) => name).sort()).toEqual([...new Set(served)].sort());
  });

  test("says of every operation what it is called, does and may answer", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const tags = new Set(document.tags.map((tag) => tag.name));
    for (const { name, path, operation } of operations) {
      expect(operation.operationId, name).toMatch(/^[a-z][A-Za-z]+$/);
      expect(operation.summary, name).toMatch(/./);
      expect(
        operation.tags.every((tag) => tags.has(tag)),
        name,
      ).toBe(true);
      const authenticated = path.startsWith("/api/v1/");
      expect(operation.security, name).toEqual(authenticated ? undefined : []);
      const statuses = Object.keys(operation.responses);
      expect(statuses, name).toEqual(
        expect.arrayContaining(authenticated ? ["401", "403", "421", "500", "503"] : ["421", "500"]),
      );
      if (operation.requestBody !== undefined) {
        expect(statuses, name).toEqual(expect.arrayContaining(["400", "413", "415", "422"]));
      }
      for (const [status, answer] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue;
        expect(answer.content?.["application/problem+json"]?.schema.$ref, name).toBe("#/components/schemas/Problem");
      }
    }
  });

  test("has no schema that is made of itself", () => {
    const usedBy = (name: string, seen: Set<string>): Set<string> => {
      const text = JSON.stringify(document.components.schemas[name]);
      for (const [, used = ""] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
        if (!seen.has(used)) usedBy(used, seen.add(used));
      }
      return seen;
    };
    const names = Object.keys(document.components.schemas);
    expect(names.filter((name) => usedBy(name, new Set()).has(name))).toEqual([]);
  });

  test("declares every part of a path and describes every header and query parameter", () => {
    for (const { name, path, operation } of operations) {
      const declared = (operation.parameters ?? []).filter((one) => one.in === "path").map((one) => one.name);
      expect(declared, name).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]));
    }
  });

  test("has an example that is accepted for every body", () => {
    for (const route of registered()) {
      const body = bodySchemaOf(route);
      if (body === undefined) continue;
      const operation = document.paths[route.path]?.[route.method];
      const reference = operation?.requestBody?.content["application/json"].schema.$ref.split("/").at(-1) ?? "";
      const example = document.components.schemas[reference]?.example;
      expect(example, `${route.method} ${route.path}`).toBeDefined();
      const { error } = body.safeParse(example);
      expect(error === undefined ? [] : toProblems(error, example), reference).toEqual([]);
    }
  });
});

test("every example in the document is of the schema beside it", () => {
  const text = JSON.stringify(document).replaceAll("#/components/schemas/", "#/$defs/");
  const { components, ...rest } = JSON.parse(text) as Document & Record<string, unknown>;
  const wrong: string[] = [];
  let seen = 0;
  for (const { where, node } of nodesOf({ ...rest, ...components })) {
    // A property may be called example too.
    if (!("example" in node) || !("type" in node || "anyOf" in node || "allOf" in node)) continue;
    seen++;
    const schema = z.fromJSONSchema({ ...node, $defs: components.schemas });
    if (!schema.safeParse(node.example).success) wrong.push(`${where}: ${JSON.stringify(node.example)}`);
  }
  expect(wrong).toEqual([]);
  expect(seen).toBeGreaterThan(50);
});

/** Every object in a value, with its path. */
function* nodesOf(value: unknown, where = ""): Generator<{ where: string; node: Record<string, unknown> }> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield { where, node: value as Record<string, unknown> };
  for (const [key, inner] of Object.entries(value)) yield* nodesOf(inner, `${where}/${key}`);
}

test("the page for people loads only what we serve, and may do nothing else", async () => {
  const page = await app.fetch(new Request("http://localhost/docs"));
  expect(page.headers.get("content-type")).toMatch(/^text\/html/);
  expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'none'; script-src 'self';/);
  const html = await page.text();
  const sources = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? "");
  for (const source of sources.filter((one) => !one.startsWith("data:"))) {
    expect(source).toMatch(/^\//);
    expect((await app.fetch(new Request(`http://localhost${source}`))).status, source).toBe(200);
  }
  expect(html).not.toMatch(/<script>|onload=|style=/);
});
