// Listening sockets on Node's handles (tcp-binding.ts). What is set on them holds for every socket accepted from them: Linux
// hands TCP_NODELAY and keepalive down, so that no connection pays system calls for it.
import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";
import type { ListenerAddress } from "../relay.ts";
import { type SocketName, TCP, type TcpHandle, tcpConstants } from "./tcp-binding.ts";

/** Connections that the kernel may hold for us; it caps this itself (net.core.somaxconn). */
const BACKLOG = 4_096;
export const KEEP_ALIVE_MS = 60_000;

export interface TcpListener {
  /** As bound. */
  readonly address: ListenerAddress;
  /** Accepted sockets stay. */
  close(): Promise<void>;
}

export interface ListenHandlers {
  /** A connection was accepted. */
  onConnection(client: TcpHandle, listener: ListenerAddress): void;
  /** None could be. @param error a negative error number. */
  onFailure(error: number, listener: ListenerAddress): void;
}

/** An address and port of one's own, shared with other sockets of this kind (SO_REUSEPORT), or a descriptor that listens already. */
export type ListenTarget = { address: string; port: number; shared: boolean } | { descriptor: number };

/** @throws the system's error, with `code`, `address` and `port`. */
export function listenTcp(target: ListenTarget, handlers: ListenHandlers): TcpListener {
  const handle = new TCP(tcpConstants.SERVER);
  try {
    if ("descriptor" in target) check(handle.open(target.descriptor), "open", target);
    else bind(handle, target);
    handle.setNoDelay(true);
    handle.setKeepAlive(true, KEEP_ALIVE_MS / 1000);
    let listener: ListenerAddress | null = null;
    handle.onconnection = (status, client) => {
      if (status !== 0 || client === undefined) handlers.onFailure(status, listener!);
      else handlers.onConnection(client, listener!);
    };
    check(handle.listen(BACKLOG), "listen", target);
    listener = nameOf(handle);
    return { address: listener, close: () => closed(handle) };
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** An address that listeners which share it may take. */
export interface ReservedAddress {
  readonly address: ListenerAddress;
  /** Once they have. */
  release(): Promise<void>;
}

/**
 * Makes sure that nobody else has the address, beside whom a shared bind would succeed. For port 0 the kernel chooses one,
 * which it gives to nobody else until it is released; it accepts nothing itself.
 *
 * @throws the system's error, with `code`, `address` and `port`.
 */
export async function reserveAddress({ address, port }: ListenerAddress): Promise<ReservedAddress> {
  if (port !== 0) {
    const ignored = (): void => undefined;
    const handlers = { onConnection: (client: TcpHandle) => client.close(), onFailure: ignored };
    const probe = listenTcp({ address, port, shared: false }, handlers);
    await probe.close();
    return { address: probe.address, release: () => Promise.resolve() };
  }
  const handle = new TCP(tcpConstants.SERVER);
  try {
    const target = { address, port, shared: true };
    bind(handle, target);
    const given = nameOf(handle);
    // What bind() has to say of an address in use comes with listen(), for which it is too early.
    if (given.port === 0) check(-constants.errno.EADDRINUSE, "bind", target);
    return { address: given, release: () => closed(handle) };
  } catch (error) {
    handle.close();
    throw error;
  }
}

function bind(handle: TcpHandle, target: { address: string; port: number; shared: boolean }): void {
  const { address, port, shared } = target;
  const flags = shared ? tcpConstants.UV_TCP_REUSEPORT : 0;
  const error = address.includes(":")
    ? handle.bind6(address, port, flags | tcpConstants.UV_TCP_IPV6ONLY)
    : handle.bind(address, port, flags);
  check(error, "bind", target);
}

function nameOf(handle: TcpHandle): ListenerAddress {
  const name: SocketName = {};
  handle.getsockname(name);
  return { address: name.address ?? "", port: name.port ?? 0 };
}

function closed(handle: TcpHandle): Promise<void> {
  return new Promise((resolve) => {
    handle.close(() => resolve());
  });
}

function check(error: number, syscall: string, target: ListenTarget): void {
  if (error === 0) return;
  const { code, message } = systemError(error);
  const where = "descriptor" in target ? `descriptor ${target.descriptor}` : `${target.address}:${target.port}`;
  const about = "descriptor" in target ? {} : { address: target.address, port: target.port };
  throw Object.assign(new Error(`${syscall} ${code}: ${message} ${where}`), { code, errno: error, syscall, ...about });
}

/** @param error a negative error number. */
export function systemError(error: number): { code: string; message: string } {
  const [code = `E${-error}`, message = "unknown error"] = getSystemErrorMap().get(error) ?? [];
  return { code, message };
}
