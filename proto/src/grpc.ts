// From bufbuild descriptors to grpc-js: definitions, typed handlers and typed clients, for unary and bidirectional methods.
import * as grpc from "@grpc/grpc-js";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

/** The descriptor of a service; a GenService keeps the types of its methods. */
type ServiceShape = Omit<DescService, "method"> & { method: Record<string, DescMethod> };
type Input<M extends DescMethod> = MessageShape<M["input"]>;
/** A message, or the bytes of one that was encoded before and is shared between streams. */
type Sent<D extends DescMessage> = MessageShape<D> | Uint8Array;

export type UnaryCall<M extends DescMethod> = grpc.ServerUnaryCall<Input<M>, Sent<M["output"]>>;
export type BidiCall<M extends DescMethod> = grpc.ServerDuplexStream<Input<M>, Sent<M["output"]>>;

type Handler<M extends DescMethod> = M["methodKind"] extends "unary"
  ? (request: Input<M>, call: UnaryCall<M>) => Promise<MessageInitShape<M["output"]>>
  : M["methodKind"] extends "bidi_streaming"
    ? (call: BidiCall<M>) => void
    : never;

/** One handler a method: a unary one answers a promise, a bidirectional one owns its stream. */
export type ServiceHandlers<S extends ServiceShape> = { [K in keyof S["method"]]: Handler<S["method"][K]> };

export interface CallOptions {
  signal?: AbortSignal;
  /** From now. Absent: none. */
  deadlineMs?: number;
  metadata?: grpc.Metadata;
}

export type ClientStream<M extends DescMethod> = grpc.ClientDuplexStream<
  MessageShape<M["input"]>,
  MessageShape<M["output"]>
>;

type ClientMethod<M extends DescMethod> = M["methodKind"] extends "unary"
  ? (request: MessageInitShape<M["input"]>, options?: CallOptions) => Promise<MessageShape<M["output"]>>
  : M["methodKind"] extends "bidi_streaming"
    ? (options?: CallOptions) => ClientStream<M>
    : never;

/** Typed methods, and close() for the channel. Failures are grpc.ServiceError. */
export type ServiceClient<S extends ServiceShape> = { [K in keyof S["method"]]: ClientMethod<S["method"][K]> } & {
  close(): void;
};

export const methodPath = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const serialize = (schema: DescMessage) => (value: Sent<DescMessage>) =>
  toBuffer(value instanceof Uint8Array ? value : toBinary(schema, value));

// Bytes fields are views of the received message: who keeps a small one for long copies it.
const deserialize = (schema: DescMessage) => (bytes: Buffer) => fromBinary(schema, bytes);

/** What a grpc-js server adds: one definition a method, under its local name. */
export function toServiceDefinition(service: ServiceShape): grpc.ServiceDefinition {
  const definitions: Record<string, grpc.MethodDefinition<Sent<DescMessage>, Sent<DescMessage>>> = {};
  for (const method of service.methods) {
    definitions[method.localName] = {
      path: methodPath(method),
      requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
      responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
      requestSerialize: serialize(method.input),
      requestDeserialize: deserialize(method.input),
      responseSerialize: serialize(method.output),
      responseDeserialize: deserialize(method.output),
    };
  }
  return definitions;
}

/** Handlers as grpc-js takes them; whatever a unary handler throws goes through toStatus. */
export function toImplementation<S extends ServiceShape>(
  service: S,
  handlers: ServiceHandlers<S>,
  toStatus: (error: unknown) => Partial<grpc.StatusObject>,
): grpc.UntypedServiceImplementation {
  const implementation: grpc.UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const handler: unknown = handlers[method.localName];
    if (typeof handler !== "function") throw new Error(`no handler for ${method.name}`);
    implementation[method.localName] =
      method.methodKind !== "unary"
        ? (handler as grpc.handleBidiStreamingCall<Sent<DescMessage>, Sent<DescMessage>>)
        : (
            call: grpc.ServerUnaryCall<MessageShape<DescMessage>, Sent<DescMessage>>,
            callback: grpc.sendUnaryData<Sent<DescMessage>>,
          ) => {
            (handler as (request: unknown, call: unknown) => Promise<MessageInitShape<DescMessage>>)(
              call.request,
              call,
            ).then(
              (response) => callback(null, create(method.output, response)),
              (error: unknown) => callback(toStatus(error)),
            );
          };
  }
  return implementation;
}

/** A client of the service at a grpc-js target ("host:port"). The channel dials when the first call is made. */
export function createClient<S extends ServiceShape>(
  service: S,
  address: string,
  credentials: grpc.ChannelCredentials,
  options: grpc.ChannelOptions = {},
): ServiceClient<S> {
  const client = new grpc.Client(address, credentials, options);
  const callOptions = (o: CallOptions): grpc.CallOptions =>
    o.deadlineMs === undefined ? {} : { deadline: Date.now() + o.deadlineMs };
  const methods: Record<string, unknown> = { close: () => client.close() };
  for (const method of service.methods) {
    const path = methodPath(method);
    const encode = serialize(method.input);
    const decode = deserialize(method.output);
    methods[method.localName] =
      method.methodKind === "unary"
        ? (request: MessageInitShape<DescMessage>, o: CallOptions = {}) =>
            new Promise<MessageShape<DescMessage>>((resolve, reject) => {
              o.signal?.throwIfAborted();
              const metadata = o.metadata ?? new grpc.Metadata();
              const message = create(method.input, request);
              const call = client.makeUnaryRequest(
                path,
                encode,
                decode,
                message,
                metadata,
                callOptions(o),
                (error, response) => {
                  o.signal?.removeEventListener("abort", cancel);
                  if (error !== null) reject(error);
                  else if (response === undefined) reject(new Error(`${path} answered nothing`));
                  else resolve(response);
                },
              );
              const cancel = () => call.cancel();
              o.signal?.addEventListener("abort", cancel, { once: true });
            })
        : (o: CallOptions = {}) => {
            o.signal?.throwIfAborted();
            const call = client.makeBidiStreamRequest(
              path,
              encode,
              decode,
              o.metadata ?? new grpc.Metadata(),
              callOptions(o),
            );
            const cancel = () => call.cancel();
            o.signal?.addEventListener("abort", cancel, { once: true });
            call.on("close", () => o.signal?.removeEventListener("abort", cancel));
            return call;
          };
  }
  return methods as ServiceClient<S>;
}
