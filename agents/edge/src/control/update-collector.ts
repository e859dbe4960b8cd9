// Puts the parts of an update together. What a part may be wrong in is of two sorts: a stream that does not follow the protocol
// (ProtocolError: the session ends), and an update that cannot be taken (`unusable`: it is refused whole, the session goes on).
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Update, Version } from "@helloway/proto/edge";
import type { TableObject } from "../relay/relay.ts";
import { kindOf, objectKey } from "./object-kind.ts";
import type { OfferedUpdate } from "./offered-update.ts";
import { ProtocolError } from "./protocol-error.ts";
import { sha256 } from "./sha256.ts";
import { type TableVersion, isSameVersion } from "./table-version.ts";

/** What one update may have in all its parts: ten times the largest table Helloway is measured with. */
const updateObjectsMax = 1_000_000;
const updateBytesMax = 256 * 1024 * 1024;

/** Objects hashed between two turns of the event loop. */
const objectsPerTurn = 2_000;

export type CollectedUpdate =
  | { usable: true; update: OfferedUpdate }
  | { usable: false; to: TableVersion; reason: string };

/** What all parts of an update repeat. */
type UpdateHead = Pick<OfferedUpdate, "to" | "fromRevision" | "digest">;

export class UpdateCollector {
  #first: UpdateHead | null = null;
  #objects = new Map<string, TableObject>();
  #removals = new Map<string, OfferedUpdate["removals"][number]>();
  #bytes = 0;
  #unusable: string | null = null;

  /** The update once its last part is in, else null. Throws ProtocolError. */
  async add(part: Update): Promise<CollectedUpdate | null> {
    const to = toTableVersion(part.to);
    const fromRevision = part.fromRevision ?? null;
    if (part.digest.length !== 32) throw new ProtocolError("an update has no digest of 32 bytes");
    const first = (this.#first ??= { to, fromRevision, digest: new Uint8Array(part.digest) });
    if (!isSameVersion(first.to, to) || first.fromRevision !== fromRevision) {
      throw new ProtocolError("an update began before the last one had ended");
    }
    await this.#addObjects(part);
    this.#addRemovals(part);
    if (part.more) return null;
    const collected = this.#finish(first);
    this.#reset();
    return collected;
  }

  async #addObjects(part: Update): Promise<void> {
    let done = 0;
    for (const { kind: number, id, body, hash } of part.objects) {
      if (this.#unusable !== null) return;
      const kind = kindOf(number);
      this.#bytes += body.length + id.length;
      if (kind === null) this.#unusable = `it has an object of the kind ${number}, which this agent is too old for`;
      else if (id === "" || id.includes("\0")) this.#unusable = "it has an object without a usable id";
      else if (this.#objects.size >= updateObjectsMax || this.#bytes > updateBytesMax) {
        this.#unusable = `it is larger than ${updateObjectsMax} objects or ${updateBytesMax} bytes`;
      } else if (Buffer.compare(sha256(body), hash) !== 0) {
        this.#unusable = `the hash of ${kind} ${id} is not that of its body`;
      } else {
        // Copies: the bytes are views of a message many times their size.
        const object = { kind, id, body: new Uint8Array(body), hash: new Uint8Array(hash) };
        this.#objects.set(objectKey(object), object);
      }
      if (++done % objectsPerTurn === 0) await nextTurn();
    }
  }

  #addRemovals(part: Update): void {
    for (const { kind: number, id, cause } of part.removals) {
      const kind = kindOf(number);
      if (kind === null)
        this.#unusable ??= `it removes an object of the kind ${number}, which this agent is too old for`;
      else this.#removals.set(objectKey({ kind, id }), { kind, id, cause });
    }
  }

  #finish(first: UpdateHead): CollectedUpdate {
    for (const key of this.#removals.keys()) {
      if (this.#objects.has(key)) this.#unusable ??= `it both has and removes ${key}`;
    }
    if (this.#unusable !== null) return { usable: false, to: first.to, reason: this.#unusable };
    const update = { ...first, objects: [...this.#objects.values()], removals: [...this.#removals.values()] };
    return { usable: true, update };
  }

  #reset(): void {
    this.#first = null;
    this.#objects = new Map();
    this.#removals = new Map();
    this.#bytes = 0;
    this.#unusable = null;
  }
}

function toTableVersion(version: Version | undefined): TableVersion {
  if (version === undefined) throw new ProtocolError("an update has no version");
  const { installation, poolId, epoch, revision } = version;
  return { installation, poolId, epoch, revision };
}
