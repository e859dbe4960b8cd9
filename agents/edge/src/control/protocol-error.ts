/** The peer said something that the protocol does not allow: the session ends, and the next one starts afresh. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(`protocol error: ${message}`);
    this.name = "ProtocolError";
  }
}
