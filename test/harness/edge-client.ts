// A small edge without a relay: it enrols, keeps the table it is sent and acknowledges it, as the protocol says and as a test wants.
import { createHash, randomUUID, webcrypto } from "node:crypto";
import { type MessageInitShape, create } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { createJoinToken } from "@helloway/control/fleet/join-tokens";
import {
  type AckSchema,
  ConnectRequestSchema,
  type ConnectResponse,
  type EdgeRequest,
  EdgeService,
  type EnrollResponse,
  type HelloSchema,
  RequestResultSchema,
  type Update,
  type Version,
  type Welcome,
} from "@helloway/proto/edge";
import { type ClientStream, type ServiceClient, createClient } from "@helloway/proto/grpc";
import { emptyDigest, objectEntry, xorDigest } from "@helloway/routing/object-digest";
import { Pkcs10CertificateRequestGenerator, PemConverter } from "@helloway/runtime/x509";
import { onTestFinished } from "vitest";
import type { ControlPlane } from "./control-plane.ts";

export type EdgeClient = ServiceClient<typeof EdgeService>;
export type Keys = webcrypto.CryptoKeyPair;

const p256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export async function createKeys(algorithm: webcrypto.EcKeyGenParams = p256): Promise<Keys> {
  return await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

export async function createRequest(keys: Keys): Promise<Uint8Array> {
  const request = await Pkcs10CertificateRequestGenerator.create({ name: "CN=ignored", keys, signingAlgorithm: p256 });
  return new Uint8Array(request.rawData);
}

/** PEM. */
export interface ClientIdentity {
  key: string;
  certificate: string;
}

export async function toIdentity(keys: Keys, certificate: Uint8Array): Promise<ClientIdentity> {
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    key: PemConverter.encode(pkcs8, "PRIVATE KEY"),
    certificate: PemConverter.encode(new Uint8Array(certificate), "CERTIFICATE"),
  };
}

/** A client that verifies the control plane and shows the identity, if any. Closed after the test. */
export function createEdgeClient(control: ControlPlane, identity: ClientIdentity | null): EdgeClient {
  const roots = Buffer.from(control.authority.certificate.toString("pem"));
  const credentials =
    identity === null
      ? grpc.credentials.createSsl(roots)
      : grpc.credentials.createSsl(roots, Buffer.from(identity.key), Buffer.from(identity.certificate));
  const client = createClient(EdgeService, control.address, credentials, {
    "grpc.ssl_target_name_override": "control.helloway.internal",
    "grpc.default_authority": "control.helloway.internal",
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
    "grpc.max_receive_message_length": 2 * 1024 * 1024,
  });
  onTestFinished(() => client.close());
  return client;
}

export interface TestEdge {
  enrolled: EnrollResponse;
  identity: ClientIdentity;
  client: EdgeClient;
}

/** Enrols an edge into the pool with a new join token. */
export async function enrolEdge(control: ControlPlane, pool: string, name: string): Promise<TestEdge> {
  const { token } = await createJoinToken(control.fleet.admin, { pool, controlAddress: control.address });
  const keys = await createKeys();
  const enrolled = await createEdgeClient(control, null).enroll({
    joinToken: token,
    certificateRequest: await createRequest(keys),
    name,
  });
  const identity = await toIdentity(keys, enrolled.certificate);
  return { enrolled, identity, client: createEdgeClient(control, identity) };
}

export interface HeldTable {
  version: Version;
  digest: Uint8Array;
  /** By "kind id". */
  objects: Map<string, { kind: number; id: string; body: Uint8Array; hash: Uint8Array }>;
}

export interface ConnectOptions {
  /** What the edge has from before. */
  held?: HeldTable;
  hello?: MessageInitShape<typeof HelloSchema>;
  /** Makes the Ack of an update; null: none is sent. Absent: everything is applied as sent. */
  acknowledge?: (update: ReceivedUpdate, held: HeldTable) => MessageInitShape<typeof AckSchema> | null;
  /** Makes the answer to a request; null, and when absent: none is sent. */
  answer?: (request: EdgeRequest) => { connections: bigint } | { error: string } | null;
}

/** An update with its parts put together. */
export interface ReceivedUpdate {
  to: Version;
  /** null: a snapshot. */
  fromRevision: bigint | null;
  digest: Uint8Array;
  objects: Update["objects"];
  removals: Update["removals"];
  parts: number;
}

export interface EdgeConnection {
  stream: ClientStream<(typeof EdgeService)["method"]["connect"]>;
  welcome: Promise<Welcome>;
  /** Everything received, in order. */
  updates: ReceivedUpdate[];
  requests: EdgeRequest[];
  /** What is held after the last one; null: nothing. */
  readonly held: HeldTable | null;
  /** The digest of what is held, over its objects. */
  digest(): Uint8Array;
  /** How the stream ended. */
  ended: Promise<grpc.StatusObject>;
  send(ack: MessageInitShape<typeof AckSchema>): void;
}

/** Opens a session; cancelled after the test. */
export function connectEdge(edge: TestEdge, options: ConnectOptions = {}): EdgeConnection {
  const stream = edge.client.connect();
  onTestFinished(() => stream.cancel());
  stream.on("error", () => undefined);
  const welcome = Promise.withResolvers<Welcome>();
  welcome.promise.catch(() => undefined);
  const ended = new Promise<grpc.StatusObject>((resolve) => {
    stream.on("status", (status: grpc.StatusObject) => {
      welcome.reject(new Error(`the stream ended: ${status.details}`));
      resolve(status);
    });
  });
  let held = options.held ?? null;
  let parts: Update[] = [];
  const updates: ReceivedUpdate[] = [];
  const send = (ack: MessageInitShape<typeof AckSchema>): void => {
    stream.write(create(ConnectRequestSchema, { message: { case: "ack", value: ack } }));
  };
  const requests: EdgeRequest[] = [];
  const answer = (request: EdgeRequest): void => {
    requests.push(request);
    const result = options.answer?.(request) ?? null;
    if (result === null) return;
    const value = create(RequestResultSchema, { ...result, id: request.id });
    stream.write(create(ConnectRequestSchema, { message: { case: "requestResult", value } }));
  };
  stream.on("data", ({ message }: ConnectResponse) => {
    if (message.case === "request") answer(message.value);
    if (message.case === "welcome") welcome.resolve(message.value);
    if (message.case !== "update") return;
    parts.push(message.value);
    if (message.value.more) return;
    const update = join(parts);
    parts = [];
    updates.push(update);
    held = apply(held, update);
    const ack = options.acknowledge?.(update, held);
    if (ack === undefined) send({ version: held.version, digest: held.digest });
    else if (ack !== null) send(ack);
  });
  const hello = {
    bootId: randomUUID(),
    agentVersion: "test",
    ...(held === null ? {} : { have: held.version, digest: held.digest }),
    ...options.hello,
  };
  stream.write(create(ConnectRequestSchema, { message: { case: "hello", value: hello } }));
  return {
    stream,
    welcome: welcome.promise,
    updates,
    requests,
    get held() {
      return held;
    },
    digest: () => digestOf(held),
    ended,
    send,
  };
}

function join(parts: readonly Update[]): ReceivedUpdate {
  const last = parts.at(-1);
  if (last?.to === undefined) throw new Error("an update has no version");
  return {
    to: last.to,
    fromRevision: last.fromRevision ?? null,
    digest: last.digest,
    objects: parts.flatMap((part) => part.objects),
    removals: parts.flatMap((part) => part.removals),
    parts: parts.length,
  };
}

function apply(before: HeldTable | null, update: ReceivedUpdate): HeldTable {
  const objects: HeldTable["objects"] = new Map(update.fromRevision === null ? [] : before?.objects);
  for (const { kind, id } of update.removals) objects.delete(`${kind} ${id}`);
  for (const { kind, id, body, hash } of update.objects) objects.set(`${kind} ${id}`, { kind, id, body, hash });
  const held: HeldTable = { version: update.to, digest: new Uint8Array(), objects };
  held.digest = digestOf(held);
  return held;
}

function digestOf(held: HeldTable | null): Uint8Array {
  let digest = emptyDigest();
  for (const { kind, id, body } of held?.objects.values() ?? []) {
    digest = xorDigest(digest, objectEntry(sha256, kind, id, sha256(body)));
  }
  return digest;
}

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());
