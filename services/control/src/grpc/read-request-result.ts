import type { RequestResult } from "@helloway/proto/edge";
import type { EdgeRequestResult } from "../fleet/edge-requests.ts";
import { boundedCount, boundedUuid, printableText } from "./bounds.ts";

const code = "bad_request_result";
/** Far above what a machine holds. */
const connectionsMax = 1e9;

/** An agent's answer to a request, checked. Throws malformed/bad_request_result. */
export function readRequestResult({ id, error, connections }: RequestResult): {
  id: string;
  result: EdgeRequestResult;
} {
  return {
    id: boundedUuid(id, code, "id"),
    result:
      error === ""
        ? { connections: boundedCount(connections, connectionsMax, code, "connections") }
        : { error: printableText(error) },
  };
}
