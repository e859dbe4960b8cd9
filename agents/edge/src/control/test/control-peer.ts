// A control plane for tests of the agent's side: a real gRPC server with a CA of its own, whose answers each test decides. It holds
// what edges said, and can say what a good control plane never would.
import { createHash, randomBytes, webcrypto } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import {
  type Ack,
  ConnectResponseSchema,
  EdgeService,
  type EdgeRequestSchema,
  type EnrollRequest,
  type Hello,
  type ReportRequest,
  type RequestResult,
  type UpdateSchema,
  type WelcomeSchema,
} from "@helloway/proto/edge";
import { type BidiCall, toImplementation, toServiceDefinition } from "@helloway/proto/grpc";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@helloway/runtime/x509";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Identity } from "../identity.ts";
import { own } from "./tables.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export interface TestAuthority {
  certificate: X509Certificate;
  keys: webcrypto.CryptoKeyPair;
  /** SHA-256 of the public key. */
  pin: Uint8Array;
}

export async function createAuthority(): Promise<TestAuthority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: "CN=test authority",
    ...validity(),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  });
  const pin = createHash("sha256").update(Buffer.from(certificate.publicKey.rawData)).digest();
  return { certificate, keys, pin };
}

export interface PeerOptions {
  authority: TestAuthority;
  /** Clients must have a certificate of the authority. */
  mutual?: boolean;
  /** In the server's certificate. */
  serverName?: string;
  enroll?: (request: EnrollRequest) => Promise<{ name: string }> | { name: string };
  connect?: (session: PeerSession) => void;
  report?: (request: ReportRequest) => number;
  welcome?: MessageInitShape<typeof WelcomeSchema>;
}

/** One stream of an edge. Welcome is answered to its Hello; the rest is the test's. */
export interface PeerSession {
  hello: Hello;
  acks: Ack[];
  results: RequestResult[];
  request(fields: MessageInitShape<typeof EdgeRequestSchema>): void;
  update(fields: MessageInitShape<typeof UpdateSchema>): void;
  end(): void;
  fail(code: grpc.status, details: string): void;
}

export interface ControlPeer extends AsyncDisposable {
  port: number;
  sessions: PeerSession[];
  enrolments: EnrollRequest[];
  reports: ReportRequest[];
  joinToken: string;
}

export async function startPeer(options: PeerOptions, port = 0): Promise<ControlPeer> {
  const { authority } = options;
  const server = new grpc.Server();
  const sessions: PeerSession[] = [];
  const enrolments: EnrollRequest[] = [];
  const reports: ReportRequest[] = [];
  const handlers = {
    enroll: async (request: EnrollRequest) => {
      enrolments.push(request);
      const { name } = (await options.enroll?.(request)) ?? { name: request.name };
      const certificate = await issueEdge(authority, request.certificateRequest);
      return {
        edgeId: "edge-id",
        name,
        pool: "pool",
        installation: own.installation,
        certificate: new Uint8Array(certificate.rawData),
        caCertificates: [new Uint8Array(authority.certificate.rawData)],
      };
    },
    connect: (call: Call) => {
      call.on("data", (request) => {
        const { message } = request;
        if (message.case === "hello") sessions.push(openSession(call, message.value, options));
        else if (message.case === "ack") sessions.at(-1)?.acks.push(plain(message.value));
        else if (message.case === "requestResult") sessions.at(-1)?.results.push(message.value);
      });
      call.on("end", () => call.end());
      call.on("error", () => undefined);
    },
    report: async (request: ReportRequest) => {
      reports.push(request);
      const applied = options.report?.(request) ?? Number(request.sequence);
      return { appliedSequence: BigInt(applied), serverTimeMs: BigInt(Date.now()) };
    },
  };
  const toStatus = (error: unknown): Partial<grpc.StatusObject> =>
    error instanceof PeerRefusal ? { code: error.code, details: error.message } : { code: grpc.status.INTERNAL };
  server.addService(toServiceDefinition(EdgeService), toImplementation(EdgeService, handlers, toStatus));
  const bound = await listen(server, await serverCredentials(options), port);
  return {
    port: bound,
    sessions,
    enrolments,
    reports,
    joinToken: joinTokenFor(authority.pin),
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

export function joinTokenFor(pin: Uint8Array): string {
  return `hwj_${randomBytes(32).toString("base64url")}.${Buffer.from(pin).toString("base64url")}`;
}

/** Thrown by a handler: the call fails with this status. */
export class PeerRefusal extends Error {
  readonly code: grpc.status;

  constructor(code: grpc.status, details: string) {
    super(details);
    this.code = code;
  }
}

/** What enrolling with the authority would have given. */
export async function issueIdentity(authority: TestAuthority, controlAddress: string): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const certificate = await issue(authority, keys.publicKey, [
    new SubjectAlternativeNameExtension([{ type: "url", value: "helloway://edge/edge-id" }]),
    new ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.2"]),
  ]);
  return {
    edgeId: "edge-id",
    name: "edge-1",
    pool: "pool",
    installation: own.installation,
    controlAddress,
    privateKey: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    certificate: certificate.toString("pem"),
    authorities: [authority.certificate.toString("pem")],
  };
}

type Call = BidiCall<(typeof EdgeService)["method"]["connect"]>;

function openSession(call: Call, hello: Hello, options: PeerOptions): PeerSession {
  const welcome = {
    installation: own.installation,
    poolId: own.poolId,
    pool: "pool",
    edgeName: "edge-1",
    serverTimeMs: BigInt(Date.now()),
    reportIntervalMs: 1_000,
    ...options.welcome,
  };
  call.write(create(ConnectResponseSchema, { message: { case: "welcome", value: welcome } }));
  const session: PeerSession = {
    hello: plain(hello),
    acks: [],
    results: [],
    request: (fields) =>
      void call.write(create(ConnectResponseSchema, { message: { case: "request", value: fields } })),
    update: (fields) => void call.write(create(ConnectResponseSchema, { message: { case: "update", value: fields } })),
    end: () => call.end(),
    fail: (code, details) => call.emit("error", { code, details }),
  };
  options.connect?.(session);
  return session;
}

/** With a digest that compares: received bytes are Buffers. */
function plain<T extends { digest: Uint8Array }>(message: T): T {
  message.digest = new Uint8Array(message.digest);
  return message;
}

async function issueEdge(authority: TestAuthority, request: Uint8Array): Promise<X509Certificate> {
  const parsed = new Pkcs10CertificateRequest(new Uint8Array(request));
  if (!(await parsed.verify()))
    throw new PeerRefusal(grpc.status.INVALID_ARGUMENT, "the request is not signed by its key");
  const publicKey = await parsed.publicKey.export(algorithm, ["verify"]);
  return await issue(authority, publicKey, [new ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.2"])]);
}

async function issue(
  authority: TestAuthority,
  publicKey: webcrypto.CryptoKey,
  extensions: Extension[],
): Promise<X509Certificate> {
  return await X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: "CN=test",
    issuer: authority.certificate.subject,
    ...validity(),
    signingAlgorithm: algorithm,
    publicKey,
    signingKey: authority.keys.privateKey,
    extensions,
  });
}

async function serverCredentials({ authority, mutual, serverName }: PeerOptions): Promise<grpc.ServerCredentials> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await issue(authority, keys.publicKey, [
    new SubjectAlternativeNameExtension([{ type: "dns", value: serverName ?? "control.helloway.internal" }]),
    new ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.1"]),
  ]);
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const chain = `${certificate.toString("pem")}\n${authority.certificate.toString("pem")}\n`;
  const pair = {
    private_key: Buffer.from(`-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`),
    cert_chain: Buffer.from(chain),
  };
  return grpc.ServerCredentials.createSsl(Buffer.from(authority.certificate.toString("pem")), [pair], mutual ?? false);
}

function listen(server: grpc.Server, credentials: grpc.ServerCredentials, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
    error === null ? resolve(bound) : reject(error),
  );
  return promise;
}

function validity(): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
}

function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
