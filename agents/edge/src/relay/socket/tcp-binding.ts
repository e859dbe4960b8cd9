// Node's own TCP handles, below net.Socket. This is the one place that knows them.
//
// Why not net.Socket: its streams, events and closures cost more CPU for a new connection than everything else of this relay
// together, and its two buffers and tens of listeners make an idle connection several times as large (docs/performance.md has
// the figures). The handles are what net.Socket itself stands on; they are no public interface, so Node's version is pinned by
// the lockfile, and a Node in which they look otherwise is refused at start with one clear line.

/** What a read, write or shutdown leaves behind, by the indices of the binding. */
type StreamState = Int32Array;

export interface WriteRequest {
  oncomplete: ((status: number) => void) | null;
}

export interface ShutdownRequest {
  oncomplete: ((status: number) => void) | null;
}

export interface ConnectRequest {
  oncomplete: ((status: number) => void) | null;
}

export interface SocketName {
  address?: string;
  family?: string;
  port?: number;
}

/** All return 0 or a negative error number. */
export interface TcpHandle {
  /** Returns where the next read goes, when that is not where this one went. */
  onread: () => Uint8Array | undefined;
  onconnection: (status: number, client: TcpHandle | undefined) => void;
  readonly fd: number;
  /** Bytes that were handed to writes and not taken by the kernel yet. */
  readonly writeQueueSize: number;
  open(fd: number): number;
  bind(address: string, port: number, flags: number): number;
  bind6(address: string, port: number, flags: number): number;
  listen(backlog: number): number;
  connect(request: ConnectRequest, address: string, port: number): number;
  connect6(request: ConnectRequest, address: string, port: number): number;
  getsockname(out: SocketName): number;
  getpeername(out: SocketName): number;
  setNoDelay(on: boolean): number;
  setKeepAlive(on: boolean, seconds: number): number;
  /** Reads go there, until onread says otherwise. */
  useUserBuffer(memory: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  shutdown(request: ShutdownRequest): number;
  /** Closes with a reset; refused while a FIN is on its way. */
  reset(closed?: () => void): number;
  close(closed?: () => void): void;
  unref(): void;
}

interface TcpBinding {
  TCP: new (type: number) => TcpHandle;
  TCPConnectWrap: new () => ConnectRequest;
  constants: { SOCKET: number; SERVER: number; UV_TCP_IPV6ONLY: number; UV_TCP_REUSEPORT: number };
}

interface StreamBinding {
  WriteWrap: new () => WriteRequest;
  ShutdownWrap: new () => ShutdownRequest;
  streamBaseState: StreamState;
  kReadBytesOrError: number;
  kLastWriteWasAsync: number;
}

const binding = (process as unknown as { binding(name: string): unknown }).binding;
const tcp = binding("tcp_wrap") as TcpBinding;
const stream = binding("stream_wrap") as StreamBinding;

const looksRight =
  typeof tcp.TCP === "function" &&
  typeof tcp.TCP.prototype.getpeername === "function" &&
  typeof tcp.TCP.prototype.reset === "function" &&
  typeof tcp.constants.UV_TCP_REUSEPORT === "number" &&
  typeof stream.WriteWrap === "function" &&
  typeof stream.streamBaseState[stream.kLastWriteWasAsync] === "number";
if (!looksRight) {
  throw new Error(
    `The relay does not know the TCP handles of Node ${process.version}: use the version of the lockfile (24.21).`,
  );
}

export const { TCP, TCPConnectWrap, constants: tcpConstants } = tcp;
export const { WriteWrap, ShutdownWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = stream;
/** UV_EOF: a FIN was read. */
export const END_OF_FILE = -4095;
