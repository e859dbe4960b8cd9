// The main job: one command on a machine with nothing but Node, and what it promises.
import { X509Certificate } from "node:crypto";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { commandLine, processesWith } from "@helloway/test/harness/processes-of";
import { type RunningProcess, startProcess } from "@helloway/test/harness/processes";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const shell = promisify(execFile);

let dataDirectory: string;
let dev: RunningProcess;
let printed: string;

const anyPorts = {
  HELLOWAY_HTTP_ADDRESS: "127.0.0.1:0",
  HELLOWAY_GRPC_ADDRESS: "127.0.0.1:0",
  HELLOWAY_EDGE_LISTEN: "127.0.0.1:0",
  HELLOWAY_EDGE_ADMIN: "127.0.0.1:0",
};

async function start(env: Record<string, string> = {}): Promise<RunningProcess> {
  const process = startProcess("dev", { HELLOWAY_DATA_DIR: dataDirectory, ...anyPorts, ...env });
  await process.ready;
  return process;
}

/** The printed line that starts with the command, run by a shell as it stands. */
async function runPrinted(command: string): Promise<string> {
  const line = printed.split("\n").find((text) => text.trim().startsWith(`${command} `));
  if (line === undefined) throw new Error(`no ${command} line in:\n${printed}`);
  return (await shell("sh", ["-c", line.trim()])).stdout;
}

async function api(
  running: RunningProcess,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: unknown }> {
  const { origin } = await running.ready;
  const token = (await readFile(join(dataDirectory, "admin-token"), "utf8")).trim();
  const response = await fetch(`${String(origin)}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

beforeAll(async () => {
  dataDirectory = await mkdtemp(join(tmpdir(), "helloway-main-job-"));
  dev = await start();
  printed = dev.stdout();
});

afterAll(async () => {
  await dev.kill();
  await rm(dataDirectory, { recursive: true });
});

describe("while it runs", () => {
  test("the printed curl line succeeds and reaches the demo backend", async () => {
    expect(await runPrinted("curl")).toContain("demo backend one.localhost");
  });

  test("the printed openssl line succeeds and shows the backend's own certificate", async () => {
    const [pem] =
      /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(await runPrinted("openssl")) ?? [];
    const own = new X509Certificate(await readFile(join(dataDirectory, "demo/one.localhost.pem")));
    expect(new X509Certificate(pem ?? "").fingerprint256).toBe(own.fingerprint256);
  });

  test("control plane, edge and demo backends are processes of their own", () => {
    const commands = processesWith("HELLOWAY_DATA_DIR", dataDirectory).map((pid) => commandLine(pid).split(" ").at(-1));
    expect(commands.toSorted()).toEqual(["agent", "control", "demo-backends", "dev"]);
  });

  test("what dev makes is there: the pool without defaults, the team, its verified domain, both routes live", async () => {
    expect(await api(dev, "GET", "/pools/local")).toMatchObject({
      body: { spec: { noSni: null, unmatched: null, addresses: { default: { ports: ["any"] } } } },
    });
    expect(await api(dev, "GET", "/teams/demo/domains/localhost")).toMatchObject({
      body: { spec: { scope: "tree" }, status: { state: "verified" } },
    });
    for (const name of ["one", "two"]) {
      expect(await api(dev, "GET", `/teams/demo/routes/${name}`)).toMatchObject({
        body: { spec: { pool: "local", hostnames: [`${name}.localhost`] }, status: { state: "live" } },
      });
    }
  });

  test("the data directory and the admin token are for their owner only", async () => {
    expect((await stat(dataDirectory)).mode & 0o777).toBe(0o700);
    expect((await stat(join(dataDirectory, "admin-token"))).mode & 0o777).toBe(0o600);
  });

  test("a second start on the same data directory refuses and names the holder's pid", async () => {
    const second = startProcess("dev", { HELLOWAY_DATA_DIR: dataDirectory, ...anyPorts });
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.stderr()).toContain(`${dataDirectory} is in use by a running \`helloway dev\` (process ${dev.pid})`);
  });

  test("a port that another Helloway holds is named with its holder, and nothing is started", async () => {
    const { edge, origin } = (await dev.ready) as { edge: { port: number }; origin: string };
    const directory = await mkdtemp(join(tmpdir(), "helloway-second-"));
    const second = startProcess("dev", {
      ...anyPorts,
      HELLOWAY_DATA_DIR: directory,
      HELLOWAY_EDGE_LISTEN: `127.0.0.1:${edge.port}`,
      HELLOWAY_HTTP_ADDRESS: new URL(origin).host,
    });
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.stderr()).toMatch(
      new RegExp(
        `127\\.0\\.0\\.1:${edge.port} \\(HELLOWAY_EDGE_LISTEN\\) is already in use by pid \\d+ \\(helloway agent\\)`,
      ),
    );
    expect(second.stderr()).toMatch(/\(HELLOWAY_HTTP_ADDRESS\) is already in use by pid \d+ \(helloway control\)/);
    expect(processesWith("HELLOWAY_DATA_DIR", directory)).toEqual([]);
    await rm(directory, { recursive: true });
  });
});

describe("Ctrl-C and a second start", () => {
  test("Ctrl-C ends everything, and a second start finds the state again", async () => {
    await api(dev, "PUT", "/teams/payments", { spec: {} });
    const before = {
      token: await readFile(join(dataDirectory, "admin-token"), "utf8"),
      certificate: await readFile(join(dataDirectory, "demo/one.localhost.pem"), "utf8"),
      edges: await edgeNames(),
      route: await routeOne(),
    };
    expect(await dev.kill("SIGINT")).toEqual({ code: 0, signal: null });
    expect(processesWith("HELLOWAY_DATA_DIR", dataDirectory)).toEqual([]);

    dev = await start();
    printed = dev.stdout();
    expect((await api(dev, "GET", "/teams/payments")).status).toBe(200);
    expect({
      token: await readFile(join(dataDirectory, "admin-token"), "utf8"),
      certificate: await readFile(join(dataDirectory, "demo/one.localhost.pem"), "utf8"),
      edges: await edgeNames(),
      route: await routeOne(),
    }).toEqual(before);
    expect(await runPrinted("curl")).toContain("demo backend one.localhost");
  });

  test("a route that somebody changed stays changed", async () => {
    const { body } = await api(dev, "GET", "/teams/demo/routes/two");
    const { spec } = body as { spec: { backends: unknown } };
    const changed = { pool: "local", hostnames: ["deux.localhost"], backends: spec.backends };
    expect((await api(dev, "PUT", "/teams/demo/routes/two", { spec: changed })).status).toBe(200);
    await dev.kill("SIGINT");
    dev = await start();
    printed = dev.stdout();
    expect(await api(dev, "GET", "/teams/demo/routes/two")).toMatchObject({
      body: { spec: { hostnames: ["deux.localhost"] } },
    });
  });

  test("a demo backend whose port was taken meanwhile gets another, and its route follows", async () => {
    await dev.kill("SIGINT");
    const ports = JSON.parse(await readFile(join(dataDirectory, "demo/ports.json"), "utf8")) as Record<string, number>;
    const taken = ports["one.localhost"];
    const other = createServer().listen(taken, "127.0.0.1");
    await once(other, "listening");
    dev = await start();
    printed = dev.stdout();
    other.close();
    expect(await runPrinted("curl")).toContain("demo backend one.localhost");
    expect(JSON.stringify(await routeOne())).not.toContain(`127.0.0.1:${taken}`);
  });

  test("a launcher that is killed leaves nothing running", async () => {
    await dev.kill("SIGKILL");
    await expect.poll(() => processesWith("HELLOWAY_DATA_DIR", dataDirectory)).toEqual([]);
    dev = await start();
    printed = dev.stdout();
  });

  test("a process that dies ends all, and the reason names it", async () => {
    const agent = processesWith("HELLOWAY_DATA_DIR", dataDirectory).find((pid) => commandLine(pid).endsWith(" agent"));
    if (agent === undefined) throw new Error("there is no agent");
    process.kill(agent, "SIGKILL");
    expect(await dev.exited).toEqual({ code: 1, signal: null });
    expect(dev.stderr()).toContain("the edge ended unexpectedly (killed by SIGKILL), so everything was stopped.");
    expect(processesWith("HELLOWAY_DATA_DIR", dataDirectory)).toEqual([]);
  });
});

async function edgeNames(): Promise<string[]> {
  const { body } = await api(dev, "GET", "/edges");
  return (body as { items: { name: string }[] }).items.map(({ name }) => name);
}

/** Without its status: the table has other revisions once other things have changed. */
async function routeOne(): Promise<unknown> {
  const { body } = await api(dev, "GET", "/teams/demo/routes/one");
  return { ...(body as object), status: null };
}
