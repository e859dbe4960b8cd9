import { mkdtempDisposable, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Server, createServer } from "node:net";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { enrol } from "./enrol.ts";
import { identityDirectory, loadIdentity } from "./identity.ts";
import { parseJoinToken } from "./join-token.ts";
import { type ControlPeer, PeerRefusal, createAuthority, joinTokenFor, startPeer } from "./test/control-peer.ts";
import { collectedLog } from "./test/logs.ts";

const authority = await createAuthority();
const never = new AbortController().signal;

async function scratch(): Promise<{ path: string } & AsyncDisposable> {
  const directory = await mkdtempDisposable(join(tmpdir(), "helloway-enrol-"));
  return { path: directory.path, [Symbol.asyncDispose]: () => directory.remove() };
}

function options(peer: Pick<ControlPeer, "port" | "joinToken">, dataDirectory: string): Parameters<typeof enrol>[0] {
  const joinToken = parseJoinToken(peer.joinToken);
  if (joinToken === null) throw new Error("no join token");
  const { log } = collectedLog();
  return { dataDirectory, control: { host: "127.0.0.1", port: peer.port }, joinToken, name: "edge-1", log };
}

test("enrols: the pinned authority, the token, a certificate for its own key; the identity is saved for its owner alone", async () => {
  await using directory = await scratch();
  await using peer = await startPeer({ authority });
  const identity = await enrol(options(peer, directory.path), never);
  expect(identity).toMatchObject({
    edgeId: "edge-id",
    name: "edge-1",
    installation: "installation-1",
    controlAddress: `127.0.0.1:${peer.port}`,
  });
  expect(peer.enrolments).toMatchObject([{ joinToken: peer.joinToken, name: "edge-1" }]);
  expect(await loadIdentity(directory.path)).toEqual(identity);
  const files = await readdir(identityDirectory(directory.path));
  expect(files).toEqual(["identity.json"]);
  const { mode } = await stat(join(identityDirectory(directory.path), "identity.json"));
  expect(mode & 0o777).toBe(0o600);
});

test("takes the name that the token gives", async () => {
  await using directory = await scratch();
  await using peer = await startPeer({ authority, enroll: () => ({ name: "given" }) });
  expect((await enrol(options(peer, directory.path), never)).name).toBe("given");
});

test("a control plane without the pinned key is refused, and never sees the token", async () => {
  await using directory = await scratch();
  await using peer = await startPeer({ authority });
  const joinToken = joinTokenFor((await createAuthority()).pin);
  await expect(enrol(options({ port: peer.port, joinToken }, directory.path), never)).rejects.toThrow(
    "is not the control plane that this join token is of",
  );
  expect(peer.enrolments).toEqual([]);
});

test("a server with the pinned authority's certificate for another name is not sent the token either", async () => {
  await using directory = await scratch();
  await using peer = await startPeer({ authority, serverName: "elsewhere.internal" });
  const stop = new AbortController();
  const { log, lines } = collectedLog();
  const enrolling = enrol({ ...options(peer, directory.path), log }, stop.signal);
  const ended = enrolling.catch((error: unknown) => error);
  await expect.poll(() => lines.length).toBeGreaterThan(0);
  stop.abort();
  expect(await ended).toMatchObject({ name: "AbortError" });
  expect(peer.enrolments).toEqual([]);
});

test.each([
  [status.UNAUTHENTICATED, "Ask for a new one"],
  [status.ALREADY_EXISTS, "HELLOWAY_EDGE_NAME"],
  [status.INVALID_ARGUMENT, "HELLOWAY_EDGE_NAME"],
  [status.PERMISSION_DENIED, "refuses the enrolment"],
])("ends with what to do when the answer is status %i", async (code, message) => {
  await using directory = await scratch();
  await using peer = await startPeer({
    authority,
    enroll: () => {
      throw new PeerRefusal(code, "no");
    },
  });
  await expect(enrol(options(peer, directory.path), never)).rejects.toThrow(message);
  expect(await loadIdentity(directory.path)).toBeNull();
});

test("repeats a request whose answer was lost with the same key", async () => {
  await using directory = await scratch();
  let attempts = 0;
  await using peer = await startPeer({
    authority,
    enroll: ({ name }) => {
      if (++attempts === 1) throw new PeerRefusal(status.UNAVAILABLE, "the answer was lost");
      return { name };
    },
  });
  await enrol(options(peer, directory.path), never);
  const [first, second] = peer.enrolments.map(({ certificateRequest }) => publicKeyOf(certificateRequest));
  expect(second).toEqual(first);
});

test("uses the key that an earlier run saved and sent", async () => {
  await using directory = await scratch();
  await using silent = await listening();
  const stop = new AbortController();
  const interrupted = enrol(
    options({ port: silent.port, joinToken: joinTokenFor(authority.pin) }, directory.path),
    stop.signal,
  );
  const ended = interrupted.catch((error: unknown) => error);
  const pending = join(identityDirectory(directory.path), "pending-key.pem");
  await expect.poll(() => readFile(pending, "utf8").catch(() => "")).toContain("PRIVATE KEY");
  const key = await readFile(pending, "utf8");
  stop.abort();
  expect(await ended).toMatchObject({ name: "AbortError" });
  await using peer = await startPeer({ authority });
  expect((await enrol(options(peer, directory.path), never)).privateKey).toBe(key);
});

test("waits for a control plane that is not there yet", async () => {
  await using directory = await scratch();
  const free = await listening();
  await free[Symbol.asyncDispose]();
  const { log, lines } = collectedLog();
  const joinToken = joinTokenFor(authority.pin);
  const enrolling = enrol({ ...options({ port: free.port, joinToken }, directory.path), log }, never);
  await expect.poll(() => lines.length).toBeGreaterThan(0);
  await using peer = await startPeer({ authority }, free.port);
  expect((await enrolling).controlAddress).toBe(`127.0.0.1:${peer.port}`);
});

test("says what to do about an identity that cannot be used", async () => {
  await using directory = await scratch();
  await using peer = await startPeer({ authority });
  await enrol(options(peer, directory.path), never);
  await writeFile(join(identityDirectory(directory.path), "identity.json"), "{}");
  await expect(loadIdentity(directory.path)).rejects.toThrow("restore it from a backup, or remove it and enrol anew");
});

/** The public key's bytes as they stand in a request: an uncompressed point. */
function publicKeyOf(request: Uint8Array): string {
  const bytes = Buffer.from(request);
  const point = bytes.indexOf(Buffer.from([0x03, 0x42, 0x00, 0x04]));
  return bytes.toString("hex", point, point + 68);
}

/** A port that accepts and says nothing. */
async function listening(): Promise<{ port: number } & AsyncDisposable> {
  const server: Server = createServer((socket) => void socket.on("error", () => undefined).resume());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}
