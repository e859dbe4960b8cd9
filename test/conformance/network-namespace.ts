// A network of the test's own: a namespace in which nothing exists but loopback and the networks that the test makes local to it.
// Ports below 1024 are free there, and a connection to any address of such a network comes to whoever listens on 0.0.0.0 or ::, though
// no interface has that address: what a load balancer's address, or an address announced by a host itself, does to its listeners.
//
// A test stays outside. It reaches in by forwarders, programs of the namespace that listen on a path, which namespaces share.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ListenerAddress } from "@helloway/edge/relay/relay";
import type { ForwarderArguments } from "./forwarder.fixture.ts";
import { Peer } from "../harness/peer.ts";

export interface NetworkNamespace extends AsyncDisposable {
  /** Starts what follows it inside, with no process between. */
  readonly enter: readonly string[];
  /** A client that comes from inside. @param source one of its addresses; absent: any. */
  connect(to: ListenerAddress, source?: string): Promise<Peer>;
  /** Accepts there what it passes on, bytes and ends, to another address or to a path, in connections of its own. */
  forward(from: ListenerAddress, to: ListenerAddress | string): Promise<Forwarder>;
}

export interface Forwarder {
  /** Connections that it has accepted so far. */
  count(): Promise<number>;
}

export interface NetworkNamespaceOptions {
  /** CIDRs whose every address is this host's. */
  local?: readonly string[];
  /** IPv6 addresses that its clients may come from. */
  sources?: readonly string[];
  /** What the system takes the ports of clients from; absent: as everywhere. */
  clientPorts?: { first: number; last: number };
}

export async function startNetworkNamespace({
  local = [],
  sources = [],
  clientPorts,
}: NetworkNamespaceOptions): Promise<NetworkNamespace> {
  const routes = local.map((cidr) => `ip ${cidr.includes(":") ? "-6" : "-4"} route add local ${cidr} dev lo`);
  // It lives as long as its first process, which ends with its input.
  const ports = clientPorts
    ? [`echo "${clientPorts.first} ${clientPorts.last}" > /proc/sys/net/ipv4/ip_local_port_range`]
    : [];
  const addresses = sources.map((each) => `ip address add ${each}/128 dev lo`);
  const script = ["set -e", "ip link set lo up", ...routes, ...addresses, ...ports, "echo ready", "exec cat"].join(
    "\n",
  );
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const holder = spawn("unshare", ["--net", ...asRoot, "sh", "-c", script], { stdio: ["pipe", "pipe", "pipe"] });
  let complaint = "";
  holder.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  holder.on("error", (error) => (complaint += error.message));
  const isReady = await Promise.race([
    once(holder.stdout, "data").then(() => true),
    once(holder, "close").then(
      () => false,
      () => false,
    ),
  ]);
  if (!isReady) {
    throw new Error(
      `no network namespace, which this test needs (unshare of util-linux, ip of iproute2, and the right to use them: root with ` +
        `CAP_SYS_ADMIN, or a user who may make user namespaces): ${complaint.trim()}`,
    );
  }
  const asUser = process.getuid?.() === 0 ? [] : ["--user", "--preserve-credentials"];
  const enter = ["nsenter", "--target", String(holder.pid), "--net", ...asUser, "--"];
  const started: ChildProcess[] = [];
  const paths: string[] = [];

  const start = async (...forwarder: ForwarderArguments): Promise<ChildProcess> => {
    const program = fileURLToPath(new URL("./forwarder.fixture.ts", import.meta.url));
    const args = [process.execPath, program, ...forwarder.map((each) => JSON.stringify(each))];
    const child = spawn(enter[0]!, [...enter.slice(1), ...args], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    started.push(child);
    await once(child, "message");
    return child;
  };

  return {
    enter,
    async connect(to, source) {
      const way = [process.pid, holder.pid, to.address, to.port, ...(source === undefined ? [] : [source])];
      const path = join(tmpdir(), `helloway-${way.join("-")}`);
      if (!paths.includes(path)) {
        paths.push(path);
        await start(path, to, source ?? null);
      }
      const socket = connect({ path, allowHalfOpen: true });
      const peer = new Peer(socket);
      await once(socket, "connect");
      return peer;
    },
    async forward(from, to) {
      const child = await start(from, to, null);
      return {
        async count() {
          child.send("count");
          const [count] = (await once(child, "message")) as [number];
          return count;
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const child of started) {
        child.kill("SIGKILL");
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      }
      for (const path of paths) rmSync(path, { force: true });
      holder.stdin.end();
      if (holder.exitCode === null) await once(holder, "exit");
    },
  };
}
