import { once } from "node:events";
import { openSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { expect, test } from "vitest";
import { notListening } from "./listening-descriptors.ts";

const descriptorOf = (owner: object): number => (owner as { _handle: { fd: number } })._handle.fd;

async function listening(where: { host: string; port: number } | string): Promise<Server> {
  const server = createServer();
  if (typeof where === "string") server.listen(where);
  else server.listen(where);
  await once(server, "listening");
  return server;
}

test("a TCP socket that listens is one, of either family, and nothing else is", async () => {
  const servers = [await listening({ host: "127.0.0.1", port: 0 }), await listening({ host: "::1", port: 0 })];
  const own = servers.map(descriptorOf);
  expect(notListening(own)).toEqual([]);
  const { port } = servers[0]!.address() as { port: number };
  const client = connect(port, "127.0.0.1");
  await once(client, "connect");
  const ofPath = await listening(`\0helloway-${process.pid}-listening`);
  const others = [descriptorOf(client), descriptorOf(ofPath), openSync("/dev/null", "r"), 9_999];
  expect(notListening([...own, ...others])).toEqual(others);
  client.destroy();
  for (const server of [...servers, ofPath]) server.close();
});
