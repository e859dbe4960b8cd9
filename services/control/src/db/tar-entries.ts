/** A file, or a directory when body is null. The path is relative. */
export interface TarEntry {
  path: string;
  body: Uint8Array | null;
}

const blockBytes = 512;

/** The files and directories of a ustar archive (POSIX.1-1988, IEEE Std 1003.1) whose names fit their headers. */
export function* tarEntries(tar: Uint8Array): Generator<TarEntry> {
  const text = (from: number, length: number) => {
    const field = tar.subarray(from, from + length);
    const end = field.indexOf(0);
    return Buffer.from(field.subarray(0, end < 0 ? length : end)).toString("latin1");
  };
  for (let at = 0; at + blockBytes <= tar.length && tar[at] !== 0;) {
    const prefix = text(at + 345, 155);
    const name = (prefix === "" ? text(at, 100) : `${prefix}/${text(at, 100)}`).replace(/^\/+/, "");
    const size = Number.parseInt(text(at + 124, 12), 8);
    const kind = text(at + 156, 1);
    const start = at + blockBytes;
    if (kind === "5") yield { path: name, body: null };
    else if (kind === "0" || kind === "") yield { path: name, body: tar.subarray(start, start + size) };
    else throw new Error(`The archive holds an entry of the unknown kind ${kind}: ${name}`);
    at = start + Math.ceil(size / blockBytes) * blockBytes;
  }
}
