import { once } from "node:events";
import { connect } from "node:net";
import { request as tlsRequest } from "node:https";
import { createSelfSignedCertificate } from "@helloway/runtime/self-signed-certificate";
import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { serveHttp } from "./http-server.ts";

const hello = new Hono().get("/", (c) => c.text(new URL(c.req.url).protocol));

describe("serveHttp", () => {
  test("serves on a free port of IPv4 and IPv6 and says where", async () => {
    for (const host of ["127.0.0.1", "::1"]) {
      const server = await serveHttp(hello, { host, port: 0, signal: new AbortController().signal });
      expect(await (await fetch(`http://${server.address}/`)).text()).toBe("http:");
      await server.stop();
    }
  });

  test("rejects with the system's error when the port is taken", async () => {
    const signal = new AbortController().signal;
    const server = await serveHttp(hello, { host: "127.0.0.1", port: 0, signal });
    const port = Number(server.address.split(":")[1]);
    await expect(serveHttp(hello, { host: "127.0.0.1", port, signal })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await server.stop();
  });

  test("serves TLS when it is given a certificate", async () => {
    const tls = await createSelfSignedCertificate(["localhost"]);
    const server = await serveHttp(hello, { host: "127.0.0.1", port: 0, tls, signal: new AbortController().signal });
    const request = tlsRequest(`https://${server.address}/`, { ca: tls.cert, servername: "localhost" });
    const [response] = await once(request.end(), "response");
    expect(await response.toArray().then(String)).toBe("https:");
    await server.stop();
  });

  test("lets a request that runs finish when it is told to stop, and takes no new one", async () => {
    const arrived = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const slow = new Hono().get("/", async (c) => {
      arrived.resolve();
      await release.promise;
      return c.text("finished");
    });
    const abort = new AbortController();
    const server = await serveHttp(slow, { host: "127.0.0.1", port: 0, signal: abort.signal });
    const response = fetch(`http://${server.address}/`);
    await arrived.promise;
    abort.abort();
    await expect(fetch(`http://${server.address}/`)).rejects.toThrow();
    release.resolve();
    expect(await (await response).text()).toBe("finished");
    await server.stop();
  });

  test("stops at once with an idle connection open", async () => {
    const server = await serveHttp(hello, { host: "127.0.0.1", port: 0, signal: new AbortController().signal });
    await (await fetch(`http://${server.address}/`)).text();
    await server.stop();
    await server.stop();
  });

  test.each([
    [431, "headers_too_large", `GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`],
    [400, "malformed_request", "not http\r\n\r\n"],
    [400, "malformed_request", "GET / HTTP/1.1\r\n\r\n"],
    [400, "malformed_request", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"],
    [400, "malformed_request", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    [417, "expectation_failed", "GET / HTTP/1.1\r\nHost: localhost\r\nExpect: wonders\r\n\r\n"],
  ])("refuses what is no request it can read with a problem: %i %s", async (status, code, text) => {
    const server = await serveHttp(hello, { host: "127.0.0.1", port: 0, signal: new AbortController().signal });
    const [host, port] = server.address.split(":");
    const socket = connect({ host: host ?? "", port: Number(port) });
    socket.write(text);
    const [head = "", body = ""] = Buffer.concat(await socket.toArray())
      .toString()
      .split("\r\n\r\n");
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head).toMatch(/^content-type: application\/problem\+json$/m);
    expect(JSON.parse(body)).toMatchObject({ status, code, detail: expect.stringMatching(/./) });
    await server.stop();
  });
});
