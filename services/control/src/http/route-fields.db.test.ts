import { startApi } from "@helloway/test/harness/api";
import { eachDatabase } from "@helloway/test/harness/database";
import { beforeAll, expect, test } from "vitest";
import type { Api } from "@helloway/test/harness/api";

eachDatabase((openDatabase) => {
  let api: Api;
  const call = (method: string, path: string, body?: object) =>
    api.call(method, `/api/v1${path}`, body === undefined ? {} : { body });
  const path = "/teams/payments/routes";
  const spec = {
    pool: "public",
    hostnames: ["api.example.com"],
    backends: [{ address: "backend.example.net:443" }],
  };

  beforeAll(async () => {
    api = await startApi(await openDatabase());
    await call("PUT", "/teams/payments", { spec: {} });
    await call("PUT", "/pools/public", { spec: {} });
    await call("POST", "/teams/payments/domains", { name: "example.com", scope: "tree" });
    await call("POST", "/teams/payments/domains/example.com/approve");
  });

  test("a route with every field is answered in canonical form, and written as it was read changes nothing", async () => {
    const full = {
      ...spec,
      match: { alpn: ["h2", "acme-tls/1", "h2"], sourceCidrs: ["10.128.0.0/9", "10.0.0.0/9"], countries: ["nl"] },
      balance: "leastConnections",
      proxyProtocol: "v2",
      proxyTlvs: ["edge", "uniqueId"],
      limits: { newPerSecond: 100, bytesPerSecond: "1024KiB" },
      access: { deny: ["2001:DB8::/32"], minTlsVersion: "1.3" },
      onReject: "drop",
    };
    const made = await call("PUT", `${path}/full`, { spec: full });
    expect(made).toMatchObject({
      status: 201,
      body: {
        spec: {
          match: { alpn: ["acme-tls/1", "h2"], sourceCidrs: ["10.0.0.0/8"], countries: ["NL"] },
          balance: "leastConnections",
          proxyTlvs: ["uniqueId", "edge"],
          limits: { connections: null, newPerSecond: 100, bytesPerSecond: "1MiB", mode: "enforce" },
          access: { allow: [], deny: ["2001:db8::/32"], minTlsVersion: "1.3" },
          onReject: "drop",
        },
      },
    });
    expect(made.body).not.toHaveProperty("warnings");
    const again = await call("PUT", `${path}/full`, { spec: made.body.spec });
    expect(again).toMatchObject({ status: 200, body: { version: 1, spec: made.body.spec } });
  });

  test("a second route of a hostname with the same criteria, in whatever spelling, is refused with the first one's name", async () => {
    const match = { sourceCidrs: ["192.0.2.0/24"] };
    expect((await call("PUT", `${path}/first`, { spec: { ...spec, match } })).status).toBe(201);
    const other = { sourceCidrs: ["192.0.2.128/25", "192.0.2.1/25"] };
    const refused = await call("PUT", `${path}/second`, { spec: { ...spec, match: other } });
    expect(refused).toMatchObject({
      status: 409,
      body: { code: "hostname_taken", errors: [{ pointer: "/spec/hostnames/0" }] },
    });
    expect(refused.body.errors[0].detail).toContain("payments/first");
    expect((await call("PUT", `${path}/second`, { spec })).status).toBe(201);
  });

  test("warnings come with the write and with its dry run, beside the object, and whenever it is read", async () => {
    const body = { spec: { ...spec, hostnames: ["h2.example.com"], match: { alpn: ["h2"] } } };
    const warnings = [
      { code: "acme_tls_unreachable", detail: expect.stringContaining("h2.example.com"), pointer: "/spec/hostnames/0" },
    ];
    const dry = await call("PUT", `${path}/warned?dryRun=true`, body);
    expect(dry).toMatchObject({ status: 200, body: { dryRun: true, change: "create", warnings } });
    expect(dry.body.object).not.toHaveProperty("warnings");
    expect(await call("PUT", `${path}/warned`, body)).toMatchObject({
      status: 201,
      body: { name: "warned", warnings },
    });
    expect((await call("GET", `${path}/warned`)).body).toMatchObject({ warnings });
    // What another route brings about is not kept.
    expect((await call("PUT", `${path}/plain`, { spec: { ...spec, hostnames: ["h2.example.com"] } })).status).toBe(201);
    expect((await call("GET", `${path}/warned`)).body).not.toHaveProperty("warnings");
  });

  test("nothing failed on our side", () => {
    expect(api.errors).toEqual([]);
  });
});
