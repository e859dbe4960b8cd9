import { toPointer } from "./pointer.ts";
import type { Problem } from "../errors.ts";

/** More is told to nobody. */
const problemsMax = 100;

/** Nothing of ours nests deeper than a dozen; a bound keeps every later walk over the value shallow. */
export const jsonDepthMax = 32;

export type StrictJson = { ok: true; value: unknown } | { ok: false; detail: string; problems: Problem[] };

interface Frame {
  /** Keys seen so far; null: an array. */
  keys: Set<string> | null;
  /** Key or index being read. */
  step: string | number;
  expectsKey: boolean;
}

/**
 * Parses I-JSON (RFC 7493): JSON of which everybody who reads it reads the same. JSON.parse alone silently keeps the
 * last of two equal keys, so that a body could say one thing to a reviewer and another to us.
 */
export function parseStrictJson(text: string): StrictJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : "not JSON", problems: [] };
  }
  const problems = findAmbiguities(text);
  return problems.length === 0
    ? { ok: true, value }
    : { ok: false, detail: "The body is JSON that parsers read differently.", problems };
}

/** text is known to be JSON, so tokens need no checking here: only where keys and strings begin and end matters. */
function findAmbiguities(text: string): Problem[] {
  const problems: Problem[] = [];
  const stack: Frame[] = [];
  const here = () => toPointer(stack.map((frame) => frame.step));
  const report = (code: string, detail: string) => problems.push({ pointer: here(), code, detail });

  for (let at = 0; at < text.length && problems.length < problemsMax; at++) {
    const frame = stack.at(-1);
    const character = text.charAt(at);
    if (character === "{" || character === "[") {
      if (stack.length === jsonDepthMax) {
        report("too_deep", `Nested deeper than ${jsonDepthMax} levels.`);
        return problems;
      }
      const isObject = character === "{";
      stack.push({ keys: isObject ? new Set() : null, step: isObject ? "" : 0, expectsKey: isObject });
    } else if (character === "}" || character === "]") {
      stack.pop();
    } else if (character === ",") {
      if (frame?.keys) frame.expectsKey = true;
      else if (typeof frame?.step === "number") frame.step++;
    } else if (character === '"') {
      const end = endOfString(text, at);
      const read = JSON.parse(text.slice(at, end + 1)) as string;
      at = end;
      if (frame?.keys && frame.expectsKey) {
        frame.expectsKey = false;
        frame.step = read;
        if (frame.keys.has(read)) report("duplicate_key", "This key is there twice; which one is meant?");
        if (read === "__proto__") report("forbidden_key", "This key is not allowed.");
        frame.keys.add(read);
      }
      if (!read.isWellFormed()) report("bad_unicode", "Half of a surrogate pair stands alone.");
    }
  }
  return problems;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
