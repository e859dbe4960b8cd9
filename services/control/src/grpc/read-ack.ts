import type { Ack } from "@helloway/proto/edge";
import type { EdgeRefusal } from "../fleet/acknowledgements.ts";
import type { TableVersion } from "../fleet/table-version.ts";
import { boundedCount, bytesOf, printableText, refuse } from "./bounds.ts";
import { readRefusals, readVersion } from "./read-hello.ts";

export interface EdgeAck {
  version: TableVersion;
  disk: { savedRevision: number; error: string } | null;
  answer:
    /** The edge holds that version. */
    | { taken: true; digest: Uint8Array; refusals: EdgeRefusal[] }
    /** It refused the update to that version whole and holds what it held. */
    | { taken: false; reason: string };
}

const code = "bad_ack";

/** An agent's Ack, checked. Throws malformed/bad_ack. */
export function readAck(ack: Ack): EdgeAck {
  if (ack.version === undefined) refuse(code, "version", "is missing");
  return {
    version: readVersion(ack.version, code),
    disk:
      ack.disk === undefined
        ? null
        : {
            savedRevision: boundedCount(ack.disk.savedRevision, Number.MAX_SAFE_INTEGER, code, "disk.saved_revision"),
            error: printableText(ack.disk.error),
          },
    answer:
      ack.refusedWhole === ""
        ? { taken: true, digest: bytesOf(ack.digest, 32, code, "digest"), refusals: readRefusals(ack.refusals, code) }
        : { taken: false, reason: printableText(ack.refusedWhole) },
  };
}
