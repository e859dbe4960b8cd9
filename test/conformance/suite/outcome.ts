// What a client can see of a decision: the backend that answers, or the alert that refuses.
import { expect } from "vitest";
import type { Peer } from "../../harness/peer.ts";
import { alertBytes, type Engine, helloFor } from "./fixture.ts";

const ALERT_BYTES = 7;

/** The backend's word, "alert 70" (the alert in hexadecimal) or, for an end without a byte, "nothing". For backends that close. */
export async function outcome(client: Peer): Promise<string> {
  await client.over();
  client.end();
  return said(client);
}

/** The same of a client that goes on, from its first bytes: the connection stays open when a backend answered. */
export async function firstWord(client: Peer): Promise<string> {
  await Promise.race([client.bytes(1), client.over()]);
  return said(client);
}

function said(client: Peer): string {
  const bytes = client.received();
  if (bytes.length === 0) return "nothing";
  if (bytes[0] !== 0x15) return bytes.toString();
  const alert = bytes[ALERT_BYTES - 1]!;
  expect(bytes.toString("hex")).toBe(alertBytes(alert).toString("hex"));
  return `alert ${alert.toString(16)}`;
}

/** @param from an address of this host, IPv4 or "::1". @param extensions of the hello, beside the name. */
export async function ask(engine: Engine, name: string, from?: string, ...extensions: Uint8Array[]): Promise<string> {
  return await outcome(await say(engine, helloFor(name, ...extensions), from));
}

/** A client that has sent the bytes. */
export async function say(engine: Engine, bytes: Uint8Array, from?: string): Promise<Peer> {
  const client = await engine.connect(from);
  client.send(bytes);
  return client;
}
