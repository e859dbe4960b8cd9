import { startTcpBackend, type TcpBackend } from "./tcp-backend.ts";

/** A backend that says who it is. @param then "close": and closes; "stay": and waits for the client to close. */
export async function startSayingBackend(word: string, then: "close" | "stay" = "close"): Promise<TcpBackend> {
  return await startTcpBackend({
    onConnection(peer) {
      if (then === "close") return peer.end(word);
      peer.send(word);
      // A reset ends it too: then there is nothing left to end.
      peer.over().then(
        () => peer.end(),
        () => undefined,
      );
    },
  });
}
