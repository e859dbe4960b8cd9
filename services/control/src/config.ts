import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { ConfigError, readEnvironment } from "@helloway/runtime/environment";
import {
  duration,
  logFormat,
  logLevel,
  secret,
  type SocketAddress,
  socketAddress,
  url,
} from "@helloway/runtime/environment-fields";
import { z } from "zod";

/** What the control plane runs with. Frozen. */
export interface ControlConfig {
  dataDirectory: string;
  /** null: the embedded database under the data directory. */
  databaseUrl: string | null;
  /** null: generated and kept in the data directory. */
  secretKey: string | null;
  http: SocketAddress & {
    /** PEM; null: plain HTTP. */
    tls: { key: string; cert: string } | null;
    loopback: boolean;
    publicUrl: string | null;
  };
  /** publicAddress, "host:port": what join commands print; null: where the port is bound. */
  grpc: SocketAddress & { publicAddress: string | null };
  edgeCertificateLifetimeMs: number;
  reportIntervalMs: number;
  log: { level: z.output<typeof logLevel>; format: z.output<typeof logFormat> | undefined };
}

const secretLengthMin = 32;
const hourMs = 3_600_000;

/** An address to listen on: names have several, of which one would be taken by chance. */
const listenAddress = socketAddress.refine(({ host }) => isIP(host) !== 0, {
  error: "must have an IP address to listen on, for example 127.0.0.1:8080 or [::]:8080",
});

const postgresUrl = secret.refine(isPostgresUrl, {
  error: "must be a postgres:// URL, for example postgres://user:password@db.example:5432/helloway",
});

const secretKey = secret.refine((text) => text.split(",").every((key) => key.trim().length >= secretLengthMin), {
  error: `every key in it must have at least ${secretLengthMin} characters: \`openssl rand -base64 32\` makes one`,
});

/** As libpq reads it: the URL of a Unix socket may have nothing between the user and the path, which URL itself refuses. */
function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text) && URL.canParse(text.replace("@/", "@localhost/"));
}

/** Known to the outside, and not acted on by this version: accepting it would pretend. */
const unsupported = z.undefined({ error: "is not supported by this version: unset it" }).optional();

const schema = z.object({
  HELLOWAY_DATA_DIR: z.string().prefault(".helloway"),
  DATABASE_URL: postgresUrl.optional(),
  HELLOWAY_SECRET_KEY: secretKey.optional(),
  HELLOWAY_HTTP_ADDRESS: listenAddress.prefault("127.0.0.1:8080"),
  HELLOWAY_HTTP_TLS_CERT: pem("CERTIFICATE").optional(),
  HELLOWAY_HTTP_TLS_KEY: pem("PRIVATE KEY").optional(),
  HELLOWAY_PUBLIC_URL: url.optional(),
  HELLOWAY_GRPC_ADDRESS: listenAddress.prefault("127.0.0.1:8081"),
  HELLOWAY_GRPC_PUBLIC_ADDRESS: socketAddress.optional(),
  HELLOWAY_EDGE_CERT_LIFETIME: duration
    .refine((ms) => ms >= hourMs, { error: "must be at least 1h" })
    .prefault("8760h"),
  HELLOWAY_REPORT_INTERVAL: duration
    .refine((ms) => ms >= 1_000 && 60_000 % ms === 0, {
      error: "must divide a minute into whole parts of at least a second, for example 1s, 5s, 10s or 30s",
    })
    .prefault("10s"),
  HELLOWAY_LOG_LEVEL: logLevel.prefault("info"),
  HELLOWAY_LOG_FORMAT: logFormat.optional(),
  HELLOWAY_TRUSTED_PROXIES: unsupported,
  HELLOWAY_OIDC_ISSUER: unsupported,
  HELLOWAY_OIDC_CLIENT_ID: unsupported,
  HELLOWAY_OIDC_CLIENT_SECRET: unsupported,
  HELLOWAY_OIDC_GROUPS_CLAIM: unsupported,
  HELLOWAY_OIDC_ADMIN_GROUP: unsupported,
  HELLOWAY_OIDC_VIEWER_GROUP: unsupported,
});

/** Throws ConfigError with every problem. */
export function readControlConfig(env: NodeJS.ProcessEnv): ControlConfig {
  const secrets = ["DATABASE_URL", "HELLOWAY_SECRET_KEY", "HELLOWAY_HTTP_TLS_KEY"];
  const problems: string[] = [];
  // The problems across variables are looked for even when single ones are wrong, so that all are told at once.
  const given = (name: string): boolean =>
    Boolean(env[name]) || (secrets.includes(name) && Boolean(env[`${name}_FILE`]));
  if (given("DATABASE_URL") && !given("HELLOWAY_SECRET_KEY")) {
    problems.push(
      "HELLOWAY_SECRET_KEY is required with DATABASE_URL: every replica needs the same one. `openssl rand -base64 32` makes one",
    );
  }
  if (given("HELLOWAY_HTTP_TLS_CERT") !== given("HELLOWAY_HTTP_TLS_KEY")) {
    problems.push("HELLOWAY_HTTP_TLS_CERT and HELLOWAY_HTTP_TLS_KEY go together: set both or neither");
  }
  const http = listenAddress.safeParse(env["HELLOWAY_HTTP_ADDRESS"] || "127.0.0.1:8080");
  const isOpen = http.success && !isLoopback(http.data.host);
  if (isOpen && !/^https:/i.test(env["HELLOWAY_PUBLIC_URL"] ?? "")) {
    problems.push(
      `HELLOWAY_HTTP_ADDRESS ${env["HELLOWAY_HTTP_ADDRESS"]} is not a loopback address: set HELLOWAY_PUBLIC_URL to the https URL ` +
        "under which people reach the API, because tokens are sent to it",
    );
  }
  const values = readAll(env, secrets, problems);
  return Object.freeze({
    dataDirectory: values.HELLOWAY_DATA_DIR,
    databaseUrl: values.DATABASE_URL ?? null,
    secretKey: values.HELLOWAY_SECRET_KEY ?? null,
    http: Object.freeze({
      ...values.HELLOWAY_HTTP_ADDRESS,
      loopback: isLoopback(values.HELLOWAY_HTTP_ADDRESS.host),
      publicUrl: values.HELLOWAY_PUBLIC_URL ?? null,
      tls:
        values.HELLOWAY_HTTP_TLS_CERT === undefined || values.HELLOWAY_HTTP_TLS_KEY === undefined
          ? null
          : { cert: values.HELLOWAY_HTTP_TLS_CERT, key: values.HELLOWAY_HTTP_TLS_KEY },
    }),
    grpc: Object.freeze({
      ...values.HELLOWAY_GRPC_ADDRESS,
      publicAddress:
        values.HELLOWAY_GRPC_PUBLIC_ADDRESS === undefined ? null : textOf(values.HELLOWAY_GRPC_PUBLIC_ADDRESS),
    }),
    edgeCertificateLifetimeMs: values.HELLOWAY_EDGE_CERT_LIFETIME,
    reportIntervalMs: values.HELLOWAY_REPORT_INTERVAL,
    log: Object.freeze({ level: values.HELLOWAY_LOG_LEVEL, format: values.HELLOWAY_LOG_FORMAT }),
  });
}

/** "127.0.0.1:8080", "[::1]:8080". */
export function textOf({ host, port }: SocketAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function readAll(env: NodeJS.ProcessEnv, secrets: readonly string[], problems: string[]): z.output<typeof schema> {
  let values: z.output<typeof schema>;
  try {
    values = readEnvironment(schema, env, { secrets });
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError([...error.problems, ...problems]);
    throw error;
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return values;
}

function isLoopback(host: string): boolean {
  return host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** PEM text, or the path of a file that has it. */
function pem(label: string) {
  return z.string().transform((text, context) => {
    const isText = text.includes("-----BEGIN");
    if (!isText && !existsSync(text)) {
      context.addIssue({ code: "custom", message: "is neither PEM text nor the path of a file" });
      return z.NEVER;
    }
    const content = isText ? text : readFileSync(text, "utf8");
    if (content.includes(`${label}-----`)) return content;
    context.addIssue({ code: "custom", message: `has no ${label} in PEM` });
    return z.NEVER;
  });
}
