import * as grpc from "@grpc/grpc-js";
import { EdgeService } from "@helloway/proto/edge";
import { createClient, toImplementation, toServiceDefinition } from "@helloway/proto/grpc";
import { expect, onTestFinished, test } from "vitest";
import { createEdgeGuard } from "./edge-guard.ts";

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

test("streams end when the database could not be asked about them for too long", async () => {
  const edge = { edgeId: "e", name: "e", poolId: "p", pool: "p", session: 0 };
  let isThere = true;
  const guard = createEdgeGuard({
    authorise: async () => ({ authorised: true, edge }),
    review: async (sessions) => {
      if (!isThere) throw new Error("the database is away");
      return sessions.map(() => ({ goesOn: true }));
    },
    log: silent,
    limits: { reviewIntervalMs: 1, unreviewedMaxMs: 300 },
  });
  // In place of TLS, which is tested with the database: every caller shows the same certificate.
  const withCertificate: grpc.ServerInterceptor = (_, call) => {
    const shown = new grpc.ServerInterceptingCall(call);
    shown.getAuthContext = () => ({ sslPeerCertificate: { serialNumber: "0A" } as never });
    return shown;
  };
  const server = new grpc.Server({ interceptors: [withCertificate, guard.interceptor] });
  const handlers = {
    enroll: () => Promise.reject(new Error("not part of this test")),
    report: () => Promise.reject(new Error("not part of this test")),
    connect: () => undefined,
  };
  const toStatus = () => ({ code: grpc.status.INTERNAL });
  server.addService(toServiceDefinition(EdgeService), toImplementation(EdgeService, handlers, toStatus));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const client = createClient(EdgeService, `127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const controller = new AbortController();
  const running = guard.run(controller.signal);
  onTestFinished(async () => {
    controller.abort();
    await running;
    client.close();
    server.forceShutdown();
  });
  const stream = client.connect();
  stream.on("error", () => undefined);
  stream.on("data", () => undefined);
  const ended = new Promise<grpc.StatusObject>((resolve) => stream.on("status", resolve));
  isThere = false;
  expect(await ended).toMatchObject({ code: grpc.status.UNAVAILABLE });
});
