/** "127.0.0.1:443", "[::1]:443", "control.example.com:8081". */
export function formatSocketAddress(socket: { host: string; port: number }): string {
  return socket.host.includes(":") ? `[${socket.host}]:${socket.port}` : `${socket.host}:${socket.port}`;
}
