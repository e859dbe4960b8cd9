import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { expect, test } from "vitest";
import { createSelfSignedCertificate } from "./self-signed-certificate.ts";

test("a client that trusts the certificate accepts a server that has it, under each of its names", async () => {
  const made = await createSelfSignedCertificate(["one.localhost", "uno.localhost"]);
  const server = createServer(made).listen(0, "127.0.0.1");
  await once(server, "listening");
  for (const servername of ["one.localhost", "uno.localhost"]) {
    const socket = connect({
      port: (server.address() as AddressInfo).port,
      host: "127.0.0.1",
      ca: made.cert,
      servername,
    });
    await once(socket, "secureConnect");
    expect(socket.authorized).toBe(true);
    socket.destroy();
  }
  server.close();
});

test("is valid now and for ten years, with a positive serial of its own", async () => {
  const [first, second] = (
    await Promise.all([createSelfSignedCertificate(["a"]), createSelfSignedCertificate(["a"])])
  ).map(({ cert }) => new X509Certificate(cert));
  expect(Date.parse(first?.validFrom ?? "")).toBeLessThanOrEqual(Date.now());
  expect(new Date(first?.validTo ?? 0).getUTCFullYear()).toBe(new Date().getUTCFullYear() + 10);
  expect(first?.serialNumber).not.toBe(second?.serialNumber);
});
