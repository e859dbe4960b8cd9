import { createServer } from "node:net";
import type { SocketAddress } from "@helloway/runtime/environment-fields";
import { describeListenError } from "@helloway/runtime/port-in-use";
import { ToldError } from "@helloway/runtime/told-error";
import { formatAddress } from "./format-address.ts";

/** Says all that cannot be listened on before anything is started. Ports that are 0 are always free. Throws ToldError. */
export async function requireFreePorts(wanted: readonly { variable: string; address: SocketAddress }[]): Promise<void> {
  const problems: string[] = [];
  for (const { variable, address } of wanted) {
    if (address.port === 0) continue;
    try {
      await tryListening(address);
    } catch (error) {
      problems.push(describeListenError(error, variable, formatAddress(address)).message);
    }
  }
  if (problems.length > 0)
    throw new ToldError(`not started:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
}

function tryListening({ host, port }: SocketAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port, ipv6Only: host.includes(":") }, () => server.close(() => resolve()));
  });
}
