import { connect } from "node:net";
import { helloFor } from "../hello.ts";
import { BULK_BYTES, type Downloaded, type Work } from "../work.ts";

/** @throws when a connection ends with anything but all of it. */
export async function download(work: Extract<Work, { do: "download" }>): Promise<Downloaded> {
  const started = performance.now();
  const read = await Promise.all(Array.from({ length: work.connections }, () => readOne(work)));
  const seconds = (performance.now() - started) / 1_000;
  return { seconds, bytes: read.reduce((total, each) => total + each, 0) };
}

function readOne({ port, name }: { port: number; name: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    // One buffer for everything: that reading costs the generator little is what lets it keep up.
    const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
    const callback = (length: number): boolean => {
      bytes += length;
      return true;
    };
    const socket = connect({ host: "127.0.0.1", port, noDelay: true, onread: { buffer, callback } });
    socket.write(helloFor(name));
    socket.once("error", reject);
    socket.once("close", () => {
      if (bytes === BULK_BYTES) resolve(bytes);
      else reject(new Error(`${bytes} bytes of ${BULK_BYTES} arrived`));
    });
  });
}
