import { HellowayError } from "../errors.ts";

/** An object with a keeper is written by that keeper only. Throws `managed_by_other`, naming the keeper. */
export function checkManagedBy(current: { managedBy: string }, given: { managedBy: string }, force = false): void {
  if (force || current.managedBy === "" || current.managedBy === given.managedBy) return;
  throw new HellowayError(
    "conflict",
    "managed_by_other",
    `It is managed by "${current.managedBy}". Change it there, or write with that managedBy.`,
    { problems: [{ pointer: "/managedBy", code: "managed_by_other", detail: `Managed by "${current.managedBy}".` }] },
  );
}
