import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { UpstreamSockets } from "./upstream-sockets.ts";

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** An upstream socket of ours, and the same connection as a listener accepted it. */
async function dialled(upstreams: UpstreamSockets, claim?: { address: string; port: number }, host = "127.0.0.1") {
  const server = createServer();
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host, port });
  const [[accepted]] = (await Promise.all([once(server, "connection"), once(socket, "connect")])) as [
    [Socket],
    unknown,
  ];
  const own = upstreams.add(socket, claim?.address ?? host, claim?.port ?? port)!;
  const judge = (portOffset = 0) =>
    upstreams.judge(
      accepted.remoteAddress!,
      accepted.remotePort! + portOffset,
      () => accepted.localAddress!,
      accepted.localPort!,
    );
  return { socket, accepted, own, judge };
}

const hello = Buffer.alloc(100, 7);

test("recognises a connection that comes straight back to a listener of ours", async () => {
  const upstreams = new UpstreamSockets();
  const { socket, judge } = await dialled(upstreams);
  expect(judge()).toEqual({ kind: "loop" });
  socket.destroy();
});

test("recognises one that was dialled by a v4-mapped address", async () => {
  const upstreams = new UpstreamSockets();
  const { socket, judge } = await dialled(upstreams, undefined, "::ffff:127.0.0.1");
  expect(judge()).toEqual({ kind: "loop" });
  socket.destroy();
});

test("recognises one that came back by a translated address by what it says", async () => {
  const upstreams = new UpstreamSockets();
  const { socket, own, judge } = await dialled(upstreams, { address: "203.0.113.7", port: 443 });
  const judged = judge();
  expect(judged.kind).toBe("suspect");
  expect(own.isEcho(hello)).toBe(false);
  own.said(hello);
  expect(judged.kind === "suspect" && judged.upstream.isEcho(Buffer.concat([hello, Buffer.from("more")]))).toBe(true);
  expect(own.isEcho(Buffer.alloc(100, 8))).toBe(false);
  socket.destroy();
});

test("does not take a client that says the same for a socket that was already answered", async () => {
  const upstreams = new UpstreamSockets();
  const { socket, accepted, own } = await dialled(upstreams, { address: "203.0.113.7", port: 443 });
  own.said(hello);
  accepted.write("answer");
  await once(socket, "data");
  expect(own.isEcho(hello)).toBe(false);
  socket.destroy();
});

test("knows nothing of any other client, and forgets a socket that is closed", async () => {
  const upstreams = new UpstreamSockets();
  const { socket, judge } = await dialled(upstreams);
  expect(judge(1)).toEqual({ kind: "other" });
  socket.destroy();
  await once(socket, "close");
  expect(judge()).toEqual({ kind: "other" });
  expect(upstreams.size).toBe(0);
});
