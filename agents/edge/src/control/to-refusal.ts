import type { RefusalSchema } from "@helloway/proto/edge";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RefusedObject } from "../relay/relay.ts";
import { kindNumber } from "./object-kind.ts";

/** A refusal as the control plane is told it: without the bytes of what is served instead. */
export function toRefusal(refused: RefusedObject): MessageInitShape<typeof RefusalSchema> {
  return {
    kind: kindNumber(refused.kind),
    id: refused.id,
    offeredHash: refused.offeredHash,
    usedHash: refused.kept?.hash ?? new Uint8Array(),
    code: refused.code,
    detail: refused.detail,
  };
}
