import { create, toBinary } from "@bufbuild/protobuf";
import {
  ConnectResponseSchema,
  type ObjectKind,
  type Removal,
  type RemovalCause,
  RemovalSchema,
  type TableObject,
  TableObjectSchema,
  type Update,
  UpdateSchema,
} from "@helloway/proto/edge";
import type { StoredObject, StoredRemoval } from "../fleet/table-reads.ts";
import type { TableHead } from "../fleet/table-version.ts";

/** A quarter of what a gRPC receiver takes by default; also what one edge may have in memory here while its socket is slow. */
const partBytesMax = 1024 * 1024;
/** Tags and lengths around one object or removal, and around the message. */
const framingBytes = 64;

export interface UpdateContents {
  to: TableHead;
  /** null: a snapshot. */
  fromRevision: number | null;
  objects: readonly StoredObject[];
  removals: readonly StoredRemoval[];
}

/**
 * The encoded ConnectResponses of an update, in order: parts of about 1 MiB, more = true on all but the last. An object larger
 * than that is a part of its own.
 */
export function encodeUpdate(contents: UpdateContents, { last }: { last: boolean } = { last: true }): Uint8Array[] {
  const parts: { objects: TableObject[]; removals: Removal[] }[] = [];
  let part = { objects: [] as TableObject[], removals: [] as Removal[] };
  let bytes = 0;
  const add = (size: number): void => {
    if (bytes > 0 && bytes + size > partBytesMax) {
      parts.push(part);
      part = { objects: [], removals: [] };
      bytes = 0;
    }
    bytes += size;
  };
  for (const { kind, id, cause } of contents.removals) {
    add(id.length + framingBytes);
    part.removals.push(create(RemovalSchema, { kind: kind as ObjectKind, id, cause: cause as RemovalCause }));
  }
  for (const { kind, id, body, hash } of contents.objects) {
    add(body.length + hash.length + id.length + framingBytes);
    part.objects.push(create(TableObjectSchema, { kind: kind as ObjectKind, id, body, hash }));
  }
  parts.push(part);
  return parts.map((one, index) => encodePart(contents, one, !last || index < parts.length - 1));
}

function encodePart(
  { to, fromRevision }: UpdateContents,
  part: { objects: TableObject[]; removals: Removal[] },
  more: boolean,
): Uint8Array {
  const update: Update = create(UpdateSchema, {
    to: { installation: to.installation, poolId: to.poolId, epoch: BigInt(to.epoch), revision: BigInt(to.revision) },
    digest: to.digest,
    more,
    ...part,
    ...(fromRevision === null ? {} : { fromRevision: BigInt(fromRevision) }),
  });
  return toBinary(ConnectResponseSchema, create(ConnectResponseSchema, { message: { case: "update", value: update } }));
}
