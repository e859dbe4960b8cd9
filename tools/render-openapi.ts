/** docs/openapi.json: what the control plane serves at /openapi.json, for reading without running one. */
export async function renderOpenApi(): Promise<string> {
  const [{ createApp }, { createSealing }] = await Promise.all([
    import("@helloway/control/http/app"),
    import("@helloway/control/fleet/sealing"),
  ]);
  const app = createApp({
    // The document is made from the schemas alone; nothing reaches the database.
    database: { db: {}, ping: () => Promise.resolve() } as unknown as Parameters<typeof createApp>[0]["database"],
    sealing: createSealing("a secret of more than thirty-two characters"),
    now: () => new Date(0),
    log: { error: () => undefined },
    publicUrl: null,
    loopback: true,
    grpcPublicAddress: "127.0.0.1:8081",
    docsScript: () => Promise.resolve(new Uint8Array()),
  });
  const response = await app.fetch(new Request("http://localhost/openapi.json"));
  if (!response.ok) throw new Error(`the application answered ${response.status} to /openapi.json`);
  return `${JSON.stringify(await response.json(), null, 2)}\n`;
}
