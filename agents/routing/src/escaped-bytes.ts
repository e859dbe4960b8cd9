// Bytes of the wire as printable ASCII and back: what the access log shows is what a route's criteria are written in. Everything that
// is not printable, and the backslash itself, is \xNN.

/** One byte a character, or four of `\xNN` in lower case. */
export function escapeBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x5c;
    text += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}

/** Reads what escapeBytes writes, and escapes of printable bytes and in upper case too. null: anything else. */
export function unescapeBytes(text: string): Uint8Array | null {
  if (!/^(?:[\x20-\x5b\x5d-\x7e]|\\x[0-9a-fA-F]{2})*$/.test(text)) return null;
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== "\\") {
      bytes.push(text.charCodeAt(at));
      continue;
    }
    bytes.push(Number.parseInt(text.slice(at + 2, at + 4), 16));
    at += 3;
  }
  return Uint8Array.from(bytes);
}
