/** A join token as its holder may know it: the whole to be sent, the pin to know the control plane by. */
export interface JoinToken {
  token: string;
  /** SHA-256 of the SPKI of the installation's CA, 32 bytes. */
  pin: Uint8Array;
}

const shape = /^hwj_([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/;

/** null: not a join token. */
export function parseJoinToken(text: string): JoinToken | null {
  const [token, secret, pin] = shape.exec(text.trim()) ?? [];
  if (token === undefined || secret === undefined || pin === undefined) return null;
  return { token, pin: new Uint8Array(Buffer.from(pin, "base64url")) };
}
