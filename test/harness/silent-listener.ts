// An address that never answers a connection attempt, on this host: a listener whose process accepts nothing and whose queue is
// full, so that the kernel drops every further SYN.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";

export interface SilentListener extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Accepts whoever comes from now on, which a client that is connecting finds out when its system tries again, and says nothing. */
  wake(): void;
}

/** Linux queues one connection more than asked for. */
const BACKLOG = 1;
const QUEUED = BACKLOG + 1;

const script = `
  const server = require("node:net").createServer();
  server.listen({ host: "127.0.0.1", port: 0, backlog: ${BACKLOG} }, () => {
    process.send(server.address().port, () => {
      if (require("node:fs").readSync(0, Buffer.alloc(1)) === 0) process.exit();
    });
  });
`;

export async function startSilentListener(): Promise<SilentListener> {
  const child = spawn(process.execPath, ["-e", script], { stdio: ["pipe", "ignore", "inherit", "ipc"] });
  const [port] = (await once(child, "message")) as [number];
  const queued = Array.from({ length: QUEUED }, () => connect({ host: "127.0.0.1", port }));
  for (const socket of queued) socket.on("error", () => socket.destroy());
  await Promise.all(queued.map((socket) => once(socket, "connect")));
  return {
    host: "127.0.0.1",
    port,
    wake: () => void child.stdin!.write("x"),
    async [Symbol.asyncDispose]() {
      for (const socket of queued) socket.destroy();
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}
