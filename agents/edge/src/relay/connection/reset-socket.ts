import type { Socket } from "node:net";

/**
 * Closes a socket with a reset. While libuv sends a FIN it refuses to reset, and Node would then drop the handle without ever
 * closing the descriptor: such a socket is reset as soon as the FIN is out.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  const sendingFin = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (socket.connecting) socket.destroy();
  else if (sendingFin) socket.once("finish", () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}
