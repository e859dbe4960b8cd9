import { isDeepStrictEqual } from "node:util";
import { HellowayError } from "../errors.ts";
import type { Problem } from "../errors.ts";
import type { Put } from "./object-view.ts";

// They are stored with every object, listed with it and copied into the audit log with every change.
const labelsMax = 64;
const labelKeyLengthMax = 317;
const labelValueLengthMax = 63;
const descriptionLengthMax = 2000;
const managedByLengthMax = 128;

/** Throws `invalid` when the parts that every object has are too large to keep. */
export function checkDescribed(put: Omit<Put<unknown>, "spec">): void {
  const problems: Problem[] = [];
  const entries = Object.entries(put.labels);
  if (entries.length > labelsMax) {
    problems.push({ pointer: "/labels", code: "too_big", detail: `At most ${labelsMax} labels.` });
  }
  for (const [key, value] of entries) {
    if (key.length > 0 && key.length <= labelKeyLengthMax && value.length <= labelValueLengthMax) continue;
    const pointer = `/labels/${key.slice(0, labelKeyLengthMax).replaceAll("~", "~0").replaceAll("/", "~1")}`;
    problems.push({ pointer, code: "bad_label", detail: `A value has at most ${labelValueLengthMax} characters.` });
  }
  if (put.description.length > descriptionLengthMax) {
    problems.push({ pointer: "/description", code: "too_big", detail: `At most ${descriptionLengthMax} characters.` });
  }
  if (put.managedBy.length > managedByLengthMax) {
    problems.push({ pointer: "/managedBy", code: "too_big", detail: `At most ${managedByLengthMax} characters.` });
  }
  if (problems.length > 0)
    throw new HellowayError("invalid", "invalid", "The object cannot be stored as given.", { problems });
}

/** Whether a write leaves everything as it is: then it is no new version, no revision and no audit row. */
export function isUnchanged(row: Put<unknown>, put: Put<unknown>): boolean {
  return isDeepStrictEqual(contentOf(row), contentOf(put));
}

/** What people wrote of an object; of a row too, for the audit log. */
export function contentOf<Spec>({ labels, description, managedBy, spec }: Put<Spec>): Put<Spec> {
  return { labels, description, managedBy, spec };
}
