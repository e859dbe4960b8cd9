import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { bodyBytesMax, jsonBody } from "./json-body.ts";
import { toFailure } from "./to-problem.ts";
import type { AppEnv } from "./app-env.ts";

const app = new Hono<AppEnv>();
app.post("/required", jsonBody(), async (c) => c.json(await c.req.json<object>()));
app.post("/optional", jsonBody({ required: false }), (c) => c.text(c.get("bodyText")));
app.onError((error, c) => c.text(toFailure(error).code, toFailure(error).status as 400));

async function post(
  path: string,
  body: string | Uint8Array | ReadableStream<Uint8Array> | null,
  headers: Record<string, string> = { "content-type": "application/json" },
) {
  const request = new Request(`http://localhost${path}`, {
    method: "POST",
    body,
    headers,
    duplex: "half",
  });
  const response = await app.fetch(request);
  return `${response.status} ${await response.text()}`;
}

describe("jsonBody", () => {
  test("hands on what was sent", async () => {
    expect(await post("/required", '{"a":[1,"ü"]}')).toBe('200 {"a":[1,"ü"]}');
    expect(await post("/required", "{}", { "content-type": 'Application/JSON; charset="UTF-8"' })).toBe("200 {}");
  });

  test("wants a body where one is required", async () => {
    expect(await post("/required", null)).toBe("400 body_missing");
    expect(await post("/optional", null)).toBe("200 ");
    expect(await post("/optional", "", { "content-type": "text/plain" })).toBe("200 ");
  });

  test("refuses other types and encodings", async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/json; charset=latin1",
      "application/jsonx",
    ]) {
      expect(await post("/required", "{}", { "content-type": type }), type).toBe("415 unsupported_media_type");
      expect(await post("/optional", "{}", { "content-type": type }), type).toBe("415 unsupported_media_type");
    }
    const compressed = { "content-type": "application/json", "content-encoding": "gzip" };
    expect(await post("/required", "{}", compressed)).toBe("415 unsupported_encoding");
  });

  test("refuses malformed and ambiguous JSON, and bytes that are not UTF-8", async () => {
    for (const body of ["{", "null x", '{"a":1,"a":2}', '{"__proto__":{}}', Uint8Array.of(0x22, 0xff, 0x22)]) {
      expect(await post("/required", body)).toBe("400 malformed_json");
    }
  });

  test("takes a body up to the limit and not a byte more", async () => {
    const ofLength = (length: number) => `"${"x".repeat(length - 2)}"`;
    expect(await post("/optional", ofLength(bodyBytesMax))).toMatch(/^200 /);
    expect(await post("/optional", ofLength(bodyBytesMax + 1))).toBe("413 body_too_large");
  });

  test("stops reading at the limit when no length was declared", async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
    expect(await post("/required", endless)).toBe("413 body_too_large");
    expect(sent).toBeLessThan(bodyBytesMax + 5 * 65_536);
  });
});
