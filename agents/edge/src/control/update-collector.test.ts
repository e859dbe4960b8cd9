import { type MessageInitShape, create } from "@bufbuild/protobuf";
import { ObjectKind, RemovalCause, type Update, UpdateSchema } from "@helloway/proto/edge";
import { expect, test } from "vitest";
import { kindNumber } from "./object-kind.ts";
import { ProtocolError } from "./protocol-error.ts";
import { route, version } from "./test/tables.ts";
import { UpdateCollector } from "./update-collector.ts";

const digest = new Uint8Array(32);

function part(fields: Omit<MessageInitShape<typeof UpdateSchema>, "$typeName" | "$unknown">): Update {
  return create(UpdateSchema, { to: version(2), fromRevision: 1n, digest, ...fields });
}

function wire(name: string): { kind: ObjectKind; id: string; body: Uint8Array; hash: Uint8Array } {
  const object = route(name);
  return { ...object, kind: kindNumber(object.kind) };
}

test("puts the parts of an update together", async () => {
  const collector = new UpdateCollector();
  const removal = { kind: ObjectKind.BARRIER, id: "b", cause: RemovalCause.DELETE };
  expect(await collector.add(part({ objects: [wire("a")], more: true }))).toBeNull();
  expect(await collector.add(part({ removals: [removal], more: true }))).toBeNull();
  const collected = await collector.add(part({ objects: [wire("b")] }));
  expect(collected).toMatchObject({
    usable: true,
    update: {
      to: version(2),
      fromRevision: 1n,
      objects: [{ id: route("a").id }, { id: route("b").id }],
      removals: [{ kind: "barrier", id: "b", cause: RemovalCause.DELETE }],
    },
  });
  expect(await collector.add(part({ to: version(3), fromRevision: 2n }))).toMatchObject({
    usable: true,
    update: { objects: [] },
  });
});

test("keeps copies: the bytes of a message go with it", async () => {
  const message = part({ objects: [wire("a")] });
  const body = message.objects[0]!.body;
  const collected = await new UpdateCollector().add(message);
  body.fill(0);
  expect(collected).toMatchObject({ update: { objects: [{ body: new Uint8Array(route("a").body) }] } });
});

test("an update with a body that is not of its hash is unusable as a whole", async () => {
  const object = { ...wire("a"), body: wire("b").body };
  const collector = new UpdateCollector();
  expect(await collector.add(part({ objects: [object], more: true }))).toBeNull();
  const collected = await collector.add(part({ objects: [wire("c")] }));
  expect(collected).toMatchObject({ usable: false, to: version(2), reason: expect.stringContaining("hash") as string });
  expect(await collector.add(part({ objects: [wire("c")] }))).toMatchObject({ usable: true });
});

test("an update with a kind of object that this agent does not know is unusable as a whole", async () => {
  const strange = { ...wire("a"), kind: 9 as ObjectKind };
  expect(await new UpdateCollector().add(part({ objects: [strange] }))).toMatchObject({ usable: false });
  const removal = { kind: 9 as ObjectKind, id: "a", cause: RemovalCause.DELETE };
  expect(await new UpdateCollector().add(part({ removals: [removal] }))).toMatchObject({ usable: false });
});

test("an update that both has and removes an object is unusable", async () => {
  const object = wire("a");
  const removal = { kind: object.kind, id: object.id, cause: RemovalCause.DELETE };
  expect(await new UpdateCollector().add(part({ objects: [object], removals: [removal] }))).toMatchObject({
    usable: false,
  });
});

test.each([
  ["without a version", create(UpdateSchema, { digest })],
  ["without a digest", part({ digest: new Uint8Array() })],
])("a part %s breaks the protocol", async (_, message) => {
  await expect(new UpdateCollector().add(message)).rejects.toThrow(ProtocolError);
});

test.each([
  ["to another version", { to: version(3) }],
  ["from another revision", { fromRevision: 0n }],
])("a part %s before the last one of an update breaks the protocol", async (_, fields) => {
  const collector = new UpdateCollector();
  await collector.add(part({ more: true }));
  await expect(collector.add(part(fields))).rejects.toThrow(ProtocolError);
});
