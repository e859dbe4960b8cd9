import { relayFeatures } from "../features.ts";

/** Why the engine does not serve an object as offered. */
export interface Refusal {
  /** snake_case, stable. */
  code: string;
  detail: string;
}

/** One part of an object: as the engine serves it, or why it does not. */
export type Checked<T> = { ok: true; value: T } | { ok: false; refusal: Refusal };

export function served<T>(value: T): Checked<T> {
  return { ok: true, value };
}

export function refused(code: string, detail: string): { ok: false; refusal: Refusal } {
  return { ok: false, refusal: { code, detail } };
}

/** The feature that this engine lacks, or null. */
export function missingFeature(requires: readonly string[]): Refusal | null {
  const missing = requires.filter((feature) => !relayFeatures.includes(feature));
  if (missing.length === 0) return null;
  return { code: "unsupported_feature", detail: `This edge lacks ${missing.join(", ")}.` };
}
