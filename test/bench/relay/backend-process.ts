// Backends that do no more than the work asks for, in one process. Each reads whatever comes as a hello and then: `bulk` sends as
// much as the name of its port says and ends, `pong` answers every further message with PONG_BYTES, `hold` answers once and keeps
// the connection. Says over IPC which ports they have.
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { answerAll } from "./ask.ts";
import { BULK_BYTES, PONG_BYTES, type BackendPorts } from "./work.ts";

const CHUNK = Buffer.alloc(1024 * 1024, "x");
const PONG = Buffer.alloc(PONG_BYTES, "x");

const ports: BackendPorts = {
  bulk: await serve((socket) => socket.once("data", () => sendBulk(socket))),
  pong: await serve((socket) => socket.on("data", () => socket.write(PONG))),
};
answerAll(async () => undefined);
process.send?.(ports);

async function serve(work: (socket: Socket) => void): Promise<number> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end());
    work(socket);
  });
  server.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 });
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function sendBulk(socket: Socket): void {
  socket.resume();
  let left = BULK_BYTES;
  const more = (): void => {
    while (left > 0) {
      left -= CHUNK.length;
      if (!socket.write(CHUNK)) break;
    }
    if (left <= 0) socket.end();
  };
  socket.on("drain", more);
  more();
}
