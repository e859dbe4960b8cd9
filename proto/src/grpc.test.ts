import { create, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { ConnectRequestSchema, ConnectResponseSchema, EdgeService } from "./gen/helloway/edge/v1/edge_pb.ts";
import { createClient, toImplementation, toServiceDefinition, type ServiceHandlers } from "./grpc.ts";

async function connect(handlers: Partial<ServiceHandlers<typeof EdgeService>>) {
  const unexpected = () => Promise.reject(new Error("not part of this test"));
  const server = new grpc.Server();
  const all = { enroll: unexpected, report: unexpected, connect: () => undefined, ...handlers };
  const toStatus = (error: unknown) => ({ code: grpc.status.ABORTED, details: String(error) });
  server.addService(toServiceDefinition(EdgeService), toImplementation(EdgeService, all, toStatus));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const client = createClient(EdgeService, `127.0.0.1:${port}`, grpc.credentials.createInsecure());
  onTestFinished(() => {
    client.close();
    server.forceShutdown();
  });
  return client;
}

test("a unary call carries the request there and the response back", async () => {
  const client = await connect({ report: async (request) => ({ appliedSequence: request.sequence }) });
  const response = await client.report({ bootId: "b", sequence: 7n, routes: [{ uid: "r", closed: { cut: 2n } }] });
  expect(response.appliedSequence).toBe(7n);
});

test("what a unary handler throws goes through the mapper", async () => {
  const client = await connect({ report: () => Promise.reject(new Error("no")) });
  await expect(client.report({})).rejects.toMatchObject({ code: grpc.status.ABORTED, details: "Error: no" });
});

test("a unary call ends with its signal", async () => {
  const client = await connect({ report: () => new Promise(() => undefined) });
  const controller = new AbortController();
  const call = client.report({}, { signal: controller.signal });
  controller.abort();
  await expect(call).rejects.toMatchObject({ code: grpc.status.CANCELLED });
});

test("a stream carries messages both ways, those encoded before included", async () => {
  const welcome = create(ConnectResponseSchema, { message: { case: "welcome", value: { edgeName: "e1" } } });
  const client = await connect({
    connect: (call) => {
      call.on("data", () => {
        call.write(welcome);
        call.write(toBinary(ConnectResponseSchema, welcome));
        call.end();
      });
    },
  });
  const stream = client.connect();
  stream.write(create(ConnectRequestSchema, { message: { case: "hello", value: { bootId: "b" } } }));
  const names: unknown[] = [];
  for await (const response of stream) names.push((response as typeof welcome).message.value);
  expect(names).toMatchObject([{ edgeName: "e1" }, { edgeName: "e1" }]);
});
