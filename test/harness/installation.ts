// One whole installation of real processes for an end-to-end test: a control plane and edges in a temporary data directory.
// Everything goes through the public API with the admin token of the data directory, as any client's would.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningProcess, startProcess } from "./processes.ts";

export interface Answer<T = unknown> {
  status: number;
  headers: Headers;
  body: T;
}

export interface Api {
  <T = unknown>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer<T>>;
}

export interface Edge {
  name: string;
  /** The port of its first listener. */
  port: number;
  process: RunningProcess;
  /** Starts it again on the same port and data directory, by default with the control plane's address. */
  restart(env?: Record<string, string>): Promise<void>;
}

export interface Installation extends AsyncDisposable {
  dataDirectory: string;
  http: string;
  grpc: string;
  control: RunningProcess;
  api: Api;
  /** Starts the control plane again on the same addresses. */
  restartControl(): Promise<void>;
  /** Enrols and starts one more edge of the pool. */
  addEdge(pool: string, name: string, env?: Record<string, string>): Promise<Edge>;
  /** A pool that lets every team reach loopback, a team, its approved domain tree. */
  prepare(options: { pool: string; team: string; domain: string }): Promise<void>;
}

export async function startInstallation(
  options: { databaseUrl?: string; env?: Record<string, string> } = {},
): Promise<Installation> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "helloway-e2e-"));
  const controlEnv = (http: string, grpc: string): Record<string, string> => ({
    HELLOWAY_DATA_DIR: dataDirectory,
    HELLOWAY_HTTP_ADDRESS: http,
    HELLOWAY_GRPC_ADDRESS: grpc,
    HELLOWAY_REPORT_INTERVAL: "1s",
    ...(options.databaseUrl === undefined
      ? {}
      : { DATABASE_URL: options.databaseUrl, HELLOWAY_SECRET_KEY: Buffer.alloc(32, 7).toString("base64") }),
    ...options.env,
  });
  const started: RunningProcess[] = [];
  const start = async (kind: "control" | "agent", env: Record<string, string>): Promise<RunningProcess> => {
    const process = startProcess(kind, env);
    started.push(process);
    await process.ready;
    return process;
  };

  const control = await start("control", controlEnv("127.0.0.1:0", "127.0.0.1:0"));
  const { http, grpc } = (await control.ready) as { http: string; grpc: string };
  const token = (await readFile(join(dataDirectory, "admin-token"), "utf8")).trim();
  const api: Api = async <T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`http://${http}${path.startsWith("/api") ? path : `/api/v1${path}`}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text === "" ? null : JSON.parse(text)) as T,
    };
  };
  const must = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const answer = await api(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  };

  const installation: Installation = {
    dataDirectory,
    http,
    grpc,
    control,
    api,
    async restartControl() {
      installation.control = await start("control", controlEnv(http, grpc));
    },
    async addEdge(pool, name, env = {}) {
      const answer = await must("POST", `/pools/${pool}/join-tokens`, { name });
      const edgeEnv = {
        HELLOWAY_DATA_DIR: join(dataDirectory, `agent-${name}`),
        HELLOWAY_EDGE_ADMIN: "127.0.0.1:0",
        HELLOWAY_CONTROL_ADDRESS: grpc,
        HELLOWAY_DRAIN_TIMEOUT: "0s",
        HELLOWAY_WORKERS: "1",
        ...env,
      };
      const process = await start("agent", {
        HELLOWAY_EDGE_LISTEN: "127.0.0.1:0",
        HELLOWAY_JOIN_TOKEN: (answer.body as { token: string }).token,
        ...edgeEnv,
      });
      const { listeners } = (await process.ready) as { listeners: { address: string; port: number }[] };
      const port = listeners[0]?.port;
      if (port === undefined) throw new Error("the agent announced no listener");
      const edge: Edge = {
        name,
        port,
        process,
        async restart(more = {}) {
          edge.process = await start("agent", {
            ...edgeEnv,
            HELLOWAY_EDGE_LISTEN: listeners.map((l) => `${l.address}:${l.port}`).join(","),
            ...more,
          });
        },
      };
      return edge;
    },
    async prepare({ pool, team, domain }) {
      await must("PUT", `/pools/${pool}`, {
        spec: { addresses: { default: { cidrs: ["127.0.0.0/8", "::1/128"], ports: ["any"] } } },
      });
      await must("PUT", `/teams/${team}`, { spec: {} });
      await must("POST", `/teams/${team}/domains`, { name: domain, scope: "tree" });
      await must("POST", `/teams/${team}/domains/${domain}/approve`);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((process) => process.kill("SIGKILL")));
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
  return installation;
}
