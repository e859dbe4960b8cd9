import { createMiddleware } from "hono/factory";
import { HellowayError } from "../errors.ts";
import { parseStrictJson } from "./strict-json.ts";
import type { AppEnv } from "./app-env.ts";

/** A route with 100 hostnames and 64 backends is about 20 KiB; this leaves room without letting one caller hold much memory. */
export const bodyBytesMax = 1024 * 1024;

const json = /^application\/json(\s*;\s*charset="?utf-8"?)?\s*$/i;

/**
 * Reads the body of an operation that takes one: bounded while it arrives, UTF-8, JSON that has one meaning. What the
 * schema then gets is exactly this text.
 */
export const jsonBody = (options: { required: boolean } = { required: true }) =>
  createMiddleware<AppEnv>(async (c, next) => {
    const bytes = await readBounded(c.req.raw);
    if (bytes.length === 0 && options.required) {
      throw new HellowayError("malformed", "body_missing", "This request needs a JSON body.");
    }
    if (bytes.length > 0) checkType(c.req.raw.headers);
    const text = bytes.length === 0 ? "" : checkText(bytes);
    c.set("bodyText", text);
    c.req.raw = withBody(c.req.raw, text);
    await next();
  });

/** The request with a body that is known. Of an empty one the type goes too: there is nothing to be read as JSON. */
function withBody({ method, url, headers: given, signal }: Request, text: string): Request {
  const headers = new Headers(given);
  if (text === "") headers.delete("content-type");
  return new Request(url, { method, headers, signal, body: text === "" ? null : text });
}

function checkType(headers: Headers): void {
  const type = headers.get("content-type") ?? "";
  if (!json.test(type)) {
    throw new HellowayError("unsupported_media_type", "unsupported_media_type", "Send Content-Type: application/json.");
  }
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") {
    throw new HellowayError(
      "unsupported_media_type",
      "unsupported_encoding",
      "Send the body without Content-Encoding.",
    );
  }
}

function checkText(bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new HellowayError("malformed", "malformed_json", "The body is not UTF-8.", { cause });
  }
  const result = parseStrictJson(text);
  if (!result.ok) {
    throw new HellowayError("malformed", "malformed_json", result.detail, { problems: result.problems });
  }
  return text;
}

/** Content-Length may be absent or a lie, so the bytes themselves are counted and the rest is never read. */
async function readBounded(request: Request): Promise<Uint8Array> {
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > bodyBytesMax) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw new HellowayError("malformed", "body_incomplete", "The body ended before all of it arrived.", { cause });
    });
    if (done) return Buffer.concat(chunks);
    length += value.length;
    if (length > bodyBytesMax) {
      await reader.cancel().catch(() => {});
      throw tooLarge();
    }
    chunks.push(value);
  }
}

function tooLarge(): HellowayError {
  return new HellowayError("too_large", "body_too_large", `The body is over ${bodyBytesMax} bytes.`);
}
