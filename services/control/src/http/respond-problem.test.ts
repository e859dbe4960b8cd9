import { Hono } from "hono";
import { expect, test } from "vitest";
import type { AppEnv } from "./app-env.ts";
import { jsonBody } from "./json-body.ts";
import { respondProblem } from "./respond-problem.ts";
import { toFailure } from "./to-problem.ts";

const app = new Hono<AppEnv>();
app.post("/", jsonBody(), (c) => c.body(null, 204));
app.onError((error, c) => respondProblem(c, toFailure(error)));

test("the answer to a body with endless problems under an endless key stays small", async () => {
  const body = `{"${"k".repeat(500_000)}":{${'"a":1,'.repeat(50_000)}"a":1}}`;
  const answer = await app.request("/", { method: "POST", headers: { "content-type": "application/json" }, body });
  const text = await answer.text();
  expect(answer.status).toBe(400);
  expect(JSON.parse(text).errors).toHaveLength(100);
  expect(text.length).toBeLessThan(100_000);
});

test("a connection whose request was not read to its end is not used again", async () => {
  const headers = { "content-type": "application/json", "content-length": String(2 ** 30) };
  const answer = await app.request("/", { method: "POST", headers, body: "{}" });
  expect(answer.status).toBe(413);
  expect(answer.headers.get("connection")).toBe("close");
});
