import { HellowayError } from "../errors.ts";

/** Names appear in paths, metric labels, logs and host names: what one DNS label may be. */
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Throws `bad_name` for what cannot be the name of a team, a pool or a route. */
export function checkObjectName(name: string): void {
  if (label.test(name)) return;
  throw new HellowayError(
    "invalid",
    "bad_name",
    `${JSON.stringify(name)} cannot be a name: 1 to 63 of a-z, 0-9 and hyphen, without a hyphen at either end.`,
  );
}
